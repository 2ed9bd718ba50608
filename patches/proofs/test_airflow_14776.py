"""apache/airflow#14776: the tasks of a subdag are run when the subdag is cleared."""
import pytest
import subdags


@pytest.mark.parametrize('recursive', [True, False])
def test_a_run_of_a_subdag_goes_on_where_its_tasks_are_cleared(recursive):
    dag = subdags.ended('failed')
    subdags.clear(dag, recursive)
    assert subdags.run_state('own') == 'running'
    expected = ('running', None) if recursive else ('failed', 'failed')
    states = subdags.run_state('own.first'), subdags.task_state('own.first', 'task')
    assert states == expected, 'the tasks of the subdag are cleared, but not run'


def test_runs_of_other_days_stay_as_they_are():
    dag = subdags.ended('failed')
    subdags.clear(dag, True)
    assert subdags.run_state('own.first', subdags.BEFORE) == 'failed'
