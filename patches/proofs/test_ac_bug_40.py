"""AC-BUG-40: the REST API tells of tasks that are being ended, or that a smart sensor watches."""
import people
import pytest
import ui

RUN = '/dags/own/dagRuns/manual__of the proof/taskInstances'


@pytest.mark.parametrize('path', [RUN, RUN + '/task', '/dags/~/dagRuns/~/taskInstances'])
@pytest.mark.parametrize('state', ['sensing', 'shutdown', 'running'])
def test_a_task_is_told_of(state, path):
    ui.reset_runs(state)
    answer = people.api('admin', 'GET', path)
    assert answer.status_code == 200, 'the API ends in an error'
    assert {task['state'] for task in answer.json.get('task_instances', [answer.json])} == {state}
