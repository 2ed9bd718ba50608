"""CVE-2020-11978: the message that triggers the bundled example never becomes part of a bash command."""
import pytest
from examples import lines_of_tasks, trigger_and_run

DAG_ID, TASK_ID = 'example_trigger_target_dag', 'bash_task'

# Each has bash make the file MARKER if any part of the value is parsed as a command.
MESSAGES = {
    'substitution': '$(touch MARKER)',
    'backticks': '`touch MARKER`',
    'leaving the quotes': '"; touch MARKER; echo "',
    'newlines': '"\ntouch MARKER\n"',
}


@pytest.fixture(name='log')
def fixture_log():
    with lines_of_tasks() as lines:
        yield lines


@pytest.mark.parametrize('message', list(MESSAGES.values()), ids=list(MESSAGES))
def test_a_message_is_printed_and_nothing_of_it_is_executed(message, tmp_path, log):
    marker = tmp_path / 'marker'
    value = message.replace('MARKER', str(marker))
    failure = None

    try:
        trigger_and_run(DAG_ID, TASK_ID, conf={'message': value})
    except Exception as error:  # pylint: disable=broad-except
        failure = error

    assert not marker.exists(), 'bash executed what the user who triggered the DAG sent'
    assert failure is None
    assert 'Here is the message: ' + value in '\n'.join(log)


@pytest.mark.parametrize('message', ['Hello World', 'it\'s 5 * 3 > 2 & more; ok?', 42])
def test_ordinary_messages_are_still_printed(message, log):
    trigger_and_run(DAG_ID, TASK_ID, conf={'message': message})

    assert 'Here is the message: {}'.format(message) in '\n'.join(log)


def test_the_task_beside_it_still_receives_the_message(capfd):
    trigger_and_run(DAG_ID, 'run_this', conf={'message': 'Hello World'})

    assert 'Hello World' in ''.join(capfd.readouterr())
