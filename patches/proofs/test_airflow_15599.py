"""AIRFLOW-15599: secrets of connections, Variables and the environment are masked in the logs of tasks."""
import re

import masking
import pytest

# The lines that a task logs, without what stands before them.
LINES = re.compile(r'^\[[^]]*\] \{[^}]*\} \w+ - ', re.MULTILINE)


@pytest.fixture(name='log', scope='module')
def fixture_log():
    """What each case of a task logs that an executor runs."""
    masking.prepare()
    output, status = masking.airflow('run', 'says', '--raw')
    return {name: LINES.sub('', text) for name, text in masking.sections(output).items()}, output, status


@pytest.fixture(name='failed', scope='module')
def fixture_failed(log):
    """What is logged of a task that fails."""
    output, _ = masking.airflow('run', 'fails', '--raw')
    assert 'Marking task as ' in output, output
    return output


CASES = re.findall(r'^@case\ndef (\w+)\(', masking.DAG_FILE, re.MULTILINE)


@pytest.mark.parametrize('name', CASES)
def test_no_secret_is_in_the_log_however_it_gets_there(log, name):
    said, output, _ = log
    assert name in said, 'the task did not get to the end of this case'

    assert not masking.seen(said[name]), 'the log of a task holds secrets'


def test_no_secret_is_anywhere_else_in_the_log(log):
    assert not masking.seen(log[1]), 'the log of a task holds secrets'


def test_the_task_succeeds(log):
    assert set(CASES) <= set(log[0]) and log[2] == 0, 'a task failed as it logged'


@pytest.mark.parametrize(
    'name, line',
    [
        ('plain', '<***>'),
        ('printed', 'printed ***'),
        ('printed', 'written ***'),
        ('from_the_environment', '"page": "ninth"'),
        ('extra', '"region": "north-of-the-extra"'),
        ('extra', 'deep-of-the-extra'),
        ('lines_of_a_key', '-----BEGIN PRIVATE KEY-----'),
        ('variable', 'in south-of-the-variable'),
        ('json_variable', '"host": "host-of-the-json"'),
        ('json_variable', "'name': 'name-of-the-json', 'password': '***'"),
        ('json_variable', 'host-of-the-json and nameless-of-the-json'),
        ('structures', "('***', 'in a tuple')"),
        ('structures', "{'***'}"),
        ('structures', "frozenset({'***'})"),
        ('structures', "Point(x='***', y='in a point')"),
        ('structures', '*** logs in'),
        ('by_name', "'who': 'somebody'"),
        ('by_name', 'it has 12 signs'),
        ('cyclic', "'who': 'somebody'"),
        ('bytes_and_numbers', "b'***'"),
        ('objects', 'a thing of ***'),
        ('extra_of_the_record', 'asked by ***'),
        ('extra_of_the_record', 'asked by somebody'),
        ('spelled_differently', 'sp"e and al stay readable, so does $^'),
        ('one_begins_like_another', '<***> <***> <begins> <another-one>'),
        ('wrong_arguments', 'Logging error'),
        ('no_error', 'there was none'),
        ('errors', 'it failed with ***'),
        ('errors', 'ValueError: second: ***'),
        ('errors', "KeyError: '***'"),
        ('text_of_an_error_is_not_its_arguments', 'Refused: refused: ***'),
    ],
)
def test_only_the_secret_is_masked(log, name, line):
    assert line in log[0].get(name, ''), 'what is no secret is not readable, or a secret is'


def test_every_spelling_is_masked_as_a_whole(log):
    lines = [line for line in log[0].get('spelled_differently', '').splitlines() if line.startswith('it is ')]

    assert len(lines) == 14, 'the task did not get to the end of this case'
    # What quotes it stays, and so does the address.
    left = [re.sub(r'''[{}\\"':* ]|it is|http://l:|@h|a''', '', line) for line in lines]
    assert left == [''] * 14, 'a secret is masked in part'


def test_ordinary_lines_are_as_they_were(log):
    lines = re.sub(' at 0x[0-9a-f]*', '', log[0].get('harmless', '')).splitlines()

    assert lines[:10] == [
        'ordinary words stay: database, hunter, host, north, 3 of 2.50 or 7%',
        "{'b'}",
        "b'bytes' bytearray(b'array')",
        "<class 'list_iterator'>",
        'an iterator: <list_iterator object>',
        'still has [1, 2, 3]',
        "['a', ('b',)]",
        'one and 2',
        'true false null None',
        'None',
    ], 'a line without a secret was changed'


def test_a_short_secret_blots_out_nothing_but_the_word_that_it_is(log):
    output, _ = masking.airflow('run', 'short', '--raw')

    assert 'every letter e stays, and so do Tuesday and tuesdays' in output, 'a short secret makes the log unreadable'
    assert 'the word [***] does not' in output, 'a word that is a secret is shown'


def test_causes_of_the_error_that_ends_a_task_are_masked(failed):
    assert 'second: ' in failed and "RuntimeError: ('third'" in failed

    assert not masking.seen(failed), 'the log of a task shows secrets in what led to an error'


def test_what_a_command_prints_is_masked(log):
    output, _ = masking.airflow('run', 'environment', '--raw')

    assert 'the end of it' in output, output
    assert not masking.seen(output), 'the environment that a task printed shows secrets'
    assert 'AIRFLOW_VAR_COLOUR=colour-of-the-environment' in output
    assert 'AIRFLOW_CONN_FROM_ENVIRONMENT=http://login:***@host.invalid/?token=***&page=ninth' in output
