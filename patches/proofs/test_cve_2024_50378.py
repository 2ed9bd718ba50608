"""CVE-2024-50378: values of Variables that are set on the command line are not in the audit log."""
import commands
import pytest

VALUES = ['hunter2', '{"password": "hunter2"}', 'hunter2 and more', 'set hunter2']
SETS = [('set',), ('-s',), ('--set',), ('--se',)]


def lines(key, value):
    for words in SETS:
        yield ('variables',) + words + (key, value)
        yield ('variables', '-j') + words + (key, value)
    yield ('variables', 'set', '-j', key, value)
    yield ('variables', 'set', key, value, '--json')
    yield ('variables', 'set', '--json', '--', key, '--' + value)


@pytest.mark.parametrize('value', VALUES)
@pytest.mark.parametrize('key', ['api_password', 'settings', 'set'])
def test_no_value_is_in_the_audit_log_whatever_its_key_is_called(key, value):
    seen = [line for line, text in commands.known(lines(key, value)).items() if 'hunter2' in text]

    assert not seen, 'the value of a Variable is in the audit log'


def test_the_key_is_still_logged_and_the_value_stored():
    from airflow.models import Variable

    for line, text in commands.known([('variables', 'set', 'region', 'north'), ('variables', '-s', 'region', 'north')]).items():
        assert "'region'" in text and "'{}'".format(line[1]) in text


def test_reading_and_deleting_is_logged_as_it_is_typed():
    typed = [('variables', 'get', 'region'), ('variables', '-g', 'region'), ('variables', 'delete', 'set')]

    for line, text in commands.known(typed).items():
        assert all("'{}'".format(word) in text for word in line)
