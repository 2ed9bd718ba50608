"""apache/airflow#16516: the REST API tells of tasks whose operator the database does not know."""
import people
import pytest
import scheduling
import ui

RUN = '/dags/own/dagRuns/manual__of the proof/taskInstances'


@pytest.mark.parametrize('path', [RUN, RUN + '/task', '/dags/~/dagRuns/~/taskInstances'])
@pytest.mark.parametrize('operator', [None, 'DummyOperator'])
def test_a_task_is_told_of(path, operator):
    ui.reset_runs('success')
    scheduling.change('own', operator=operator)
    scheduling.change('other', operator='DummyOperator')

    answer = people.api('admin', 'GET', path)

    assert answer.status_code == 200, 'the API ends in an error'
    tasks = answer.json.get('task_instances', [answer.json])
    assert [task['operator'] for task in tasks if task['dag_id'] == 'own'] == [operator]


def test_a_task_that_is_asked_for_in_a_list_is_told_of():
    ui.reset_runs('success')
    scheduling.change('own', operator=None)
    answer = people.api('admin', 'POST', '/dags/~/dagRuns/~/taskInstances/list', json={'dag_ids': ['own']})
    assert answer.status_code == 200, 'the API ends in an error'
    assert [task['operator'] for task in answer.json['task_instances']] == [None]
