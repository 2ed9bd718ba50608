"""apache/airflow#19113: the scheduler goes on with other runs when the DAG of a run is no longer in the database."""
import datetime

import pytest
import scheduling


@pytest.fixture(name='job')
def fixture_job(monkeypatch):
    """A scheduler of DAGs of which one is gone, while a run of it goes on and another is due."""
    from airflow import settings
    from airflow.models.serialized_dag import SerializedDagModel

    monkeypatch.setattr(settings, 'MIN_SERIALIZED_DAG_FETCH_INTERVAL', 0)
    monkeypatch.setattr(settings, 'MIN_SERIALIZED_DAG_UPDATE_INTERVAL', 0)
    for dag_id in ('gone', 'there'):
        scheduling.run_of(scheduling.stored(dag_id))
    SerializedDagModel.remove_dag('gone')
    return scheduling.scheduler()


def test_the_scheduler_goes_on_with_the_other_runs(job):
    assert isinstance(scheduling.looped(job), int), 'the scheduler ends'
    assert scheduling.task_of('there').state == 'success'
    assert scheduling.task_of('gone').state is None


def test_a_run_that_is_due_of_a_dag_that_is_gone_waits(job):
    from airflow.models import DagModel
    from airflow.utils.session import create_session

    due = scheduling.DAY + datetime.timedelta(days=1)
    with create_session() as session:
        model = session.query(DagModel).filter(DagModel.dag_id == 'gone').one()
        model.next_dagrun = model.next_dagrun_create_after = due

    assert isinstance(scheduling.looped(job), int), 'the scheduler ends'


def test_a_run_goes_on_once_its_dag_is_back(job):
    scheduling.looped(job)
    scheduling.stored('gone')
    assert isinstance(scheduling.looped(job), int)
    assert scheduling.task_of('gone').state == 'success'
