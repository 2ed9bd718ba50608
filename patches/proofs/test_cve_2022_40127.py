"""CVE-2022-40127: the run_id of a DAG run never becomes part of the bash command of a bundled example."""
import pytest
from examples import lines_of_tasks, trigger_and_run

DAG_ID, TASK_ID = 'example_bash_operator', 'also_run_this'

# Each has bash make the file MARKER if any part of the value is parsed as a command.
RUN_IDS = {
    'substitution': '$(touch MARKER)',
    'backticks': 'manual__`touch MARKER`',
    'leaving the quotes': '"; touch MARKER; echo "',
    'newlines': '"\ntouch MARKER\n"',
}


@pytest.fixture(name='log')
def fixture_log():
    with lines_of_tasks() as lines:
        yield lines


@pytest.mark.parametrize('run_id', list(RUN_IDS.values()), ids=list(RUN_IDS))
def test_nothing_of_a_run_id_is_executed(run_id, tmp_path):
    marker = tmp_path / 'marker'

    failure = None

    try:
        trigger_and_run(DAG_ID, TASK_ID, conf={}, run_id=run_id.replace('MARKER', str(marker)))
    except Exception as error:  # pylint: disable=broad-except
        failure = error

    assert not marker.exists(), 'bash executed what the user who triggered the DAG chose as run_id'
    assert failure is None


def test_the_example_still_prints_something_of_its_run(log):
    execution_date = trigger_and_run(DAG_ID, TASK_ID, conf={})

    day = execution_date.strftime('%Y%m%d')
    printed = [line for line in log if day in line or execution_date.isoformat() in line]
    assert [line for line in printed if DAG_ID in line], log


def test_the_other_tasks_of_the_example_still_run(log):
    trigger_and_run(DAG_ID, 'run_after_loop', conf={})
    trigger_and_run(DAG_ID, 'runme_0', conf={})

    assert '1' in log
    assert [line for line in log if 'runme_0' in line]
