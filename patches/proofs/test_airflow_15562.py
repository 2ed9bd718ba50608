"""apache/airflow#15562: the tasks behind a subdag are run when a task in it is cleared recursively."""
import subdags


def cleared(recursive):
    """The states of runs, and of the tasks behind the first subdag, after its task was cleared."""
    first = subdags.ended('failed').get_task('first').subdag
    subdags.clear(first, recursive, include_parentdag=recursive)
    return [subdags.run_state(dag_id) for dag_id in ('own', 'own.first', 'own.second')], subdags.task_state('own', 'last')


def test_the_run_above_goes_on_and_with_it_the_subdags_behind():
    assert cleared(True) == (['running'] * 3, None), 'tasks are cleared, but not run'


def test_nothing_else_goes_on_where_only_the_task_is_cleared():
    assert cleared(False) == (['failed', 'running', 'failed'], 'failed')


def test_runs_of_other_days_stay_as_they_are():
    cleared(True)
    assert subdags.run_state('own', subdags.BEFORE) == 'failed'
