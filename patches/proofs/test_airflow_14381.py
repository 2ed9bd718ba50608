"""apache/airflow#14381: the REST API tells of tasks that are no longer in their DAG, and of those beside them."""
import people
import pytest
import ui

RUN = '/dags/own/dagRuns/manual__of the proof/taskInstances'


def answered(state, path, method='GET', **values):
    """The states that the API tells of when the task of a run is in one."""
    ui.reset_runs(state)
    answer = people.api('admin', method, path, **values)
    assert answer.status_code == 200, 'the API ends in an error'
    tasks = answer.json.get('task_instances', [answer.json])
    return {task['state'] for task in tasks}


@pytest.mark.parametrize('path', [RUN, RUN + '/task', '/dags/~/dagRuns/~/taskInstances'])
@pytest.mark.parametrize('state', ['removed', 'success', 'upstream_failed', None])
def test_a_task_is_told_of(state, path):
    assert answered(state, path) == {state}


@pytest.mark.parametrize('state', ['removed', 'success'])
def test_a_task_that_is_asked_for_by_its_state_is_told_of(state):
    path = '/dags/~/dagRuns/~/taskInstances/list'
    assert answered(state, path, 'POST', json={'state': [state]}) == {state}
