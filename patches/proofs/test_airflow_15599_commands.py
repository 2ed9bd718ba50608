"""AIRFLOW-15599: what the commands that test and render a task print, without secrets."""
import masking
import pytest


@pytest.fixture(name='printed', scope='module')
def fixture_printed():
    """What `tasks test` prints of each case."""
    masking.prepare()
    output, status = masking.airflow('test', 'says')
    return masking.sections(output), output, status


@pytest.mark.parametrize('name', ['plain', 'printed', 'json_variable', 'objects', 'wrong_arguments', 'errors'])
def test_a_tested_task_prints_no_secrets(printed, name):
    said = printed[0].get(name)
    assert said is not None, 'the task did not get to the end of this case'

    assert not masking.seen(said), 'a command prints secrets'


def test_nor_does_anything_else_that_the_command_prints(printed):
    assert not masking.seen(printed[1]), 'a command prints secrets'


def test_what_is_printed_and_no_secret_stays_readable(printed):
    said = printed[0]

    assert 'printed ***' in said['printed'] and 'written ***' in said['printed'], 'the command prints a secret'
    assert 'in south-of-the-variable' in said['variable']
    assert 'host-of-the-json and nameless-of-the-json' in said['json_variable']
    assert printed[2] == 0


def test_the_error_that_ends_the_command_shows_none(printed):
    output, status = masking.airflow('test', 'fails')

    assert status != 0 and output.count("RuntimeError: ('third'") == 2, output
    assert not masking.seen(output), 'a command ends with an error that shows secrets'


def test_a_dry_run_shows_none(printed):
    output, status = masking.airflow('test', 'rendered', '--dry-run' if not masking.is_1() else '-dr')

    assert status == 0 and 'south-of-the-variable' in output, output
    assert not masking.seen(output), 'a dry run shows secrets'


def test_a_rendered_task_shows_none(printed):
    output, status = masking.airflow('render', 'rendered')

    assert status == 0, output
    assert not masking.seen(output), 'rendered templates show secrets'
    assert 'login *** at south-of-the-variable with' in output
    assert "'name': 'name-of-the-json'" in output


def test_nor_what_a_field_of_the_task_calls_a_secret(printed):
    output, _ = masking.airflow('render', 'rendered')

    assert 'literal-in-a-field' not in output and "'31'" not in output, 'rendered fields show secrets'
    assert "'where': 'literal-at-home'" in output


def test_nor_the_error_of_a_template(printed):
    output, status = masking.airflow('render', 'broken')

    assert status != 0 and 'ValueError: time data ' in output, output
    assert not masking.seen(output), 'the error of a template shows a secret'
