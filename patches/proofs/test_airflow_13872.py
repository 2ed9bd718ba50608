"""apache/airflow#13872: the API answers with the log of a task that is no longer in its DAG."""
import people
import pytest
import ui

PATH = '/dags/own/dagRuns/manual__of the proof/taskInstances/{}/logs/1'


@pytest.fixture(autouse=True, scope='module')
def fixture_gone():
    """A run has a task that is not in its DAG, which has another."""
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session

    ui.reset_runs()
    with create_session() as session:
        ti = session.query(TaskInstance).filter(TaskInstance.dag_id == 'own').one()
        values = {name: getattr(ti, name) for name in ('dag_id', 'execution_date', 'state', 'pool', 'pool_slots')}
        session.execute(TaskInstance.__table__.insert().values(task_id='gone', try_number=1, **values))


@pytest.mark.parametrize('task_id', ['gone', 'task'])
def test_the_log_of_a_task_is_to_be_had(task_id):
    try:
        status = people.api('admin', 'GET', PATH.format(task_id)).status_code
    except Exception as error:  # pylint: disable=broad-except
        status = error
    assert status == 200, 'an error of the server'


def test_there_is_no_log_of_a_task_that_never_was():
    assert people.api('admin', 'GET', PATH.format('never')).status_code in (400, 404)
