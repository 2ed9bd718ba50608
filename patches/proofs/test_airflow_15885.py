"""apache/airflow#15889: setting the states of tasks by the API is a dry run where nothing is said of that."""
import people
import pytest
import ui


def set_states(**changes):
    body = {'task_id': 'task', 'execution_date': ui.RUN_DATE.isoformat(), 'new_state': 'failed'}
    body.update(dict.fromkeys(('include_upstream', 'include_downstream', 'include_future', 'include_past'), False))
    body.update(changes)
    return people.api('admin', 'POST', '/dags/own/updateTaskInstancesState', json=body)


@pytest.fixture(autouse=True)
def fixture_runs(monkeypatch):
    # An error is an answer, as from a webserver
    monkeypatch.setitem(ui.app_of(ui.RBAC).config, 'PROPAGATE_EXCEPTIONS', False)
    ui.reset_runs()


@pytest.mark.parametrize('dry', [{}, {'dry_run': True}])
def test_it_is_told_what_would_be_set(dry):
    answer = set_states(**dry)
    assert answer.status_code == 200, 'the API ends in an error'
    assert [task['task_id'] for task in answer.json['task_instances']] == ['task']
    assert ui.runs_of('own') == ui.UNTOUCHED


def test_states_are_set_where_it_is_no_dry_run():
    assert set_states(dry_run=False).status_code == 200
    assert ui.runs_of('own')[1] == ['failed']
