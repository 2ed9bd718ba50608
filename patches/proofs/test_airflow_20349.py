"""apache/airflow#20349: the scheduler goes on when a DAG with a task that is to be queued is no longer in the database."""
import pytest
import scheduling


@pytest.fixture(name='job')
def fixture_job(monkeypatch):
    """A scheduler that asks for DAGs anew each time, and knows a DAG that is there and one whose file is gone."""
    from airflow import settings
    from airflow.models.serialized_dag import SerializedDagModel

    monkeypatch.setattr(settings, 'MIN_SERIALIZED_DAG_FETCH_INTERVAL', 0)
    monkeypatch.setattr(settings, 'MIN_SERIALIZED_DAG_UPDATE_INTERVAL', 0)
    for dag_id in ('gone', 'there'):
        scheduling.run_of(scheduling.stored(dag_id, task_concurrency=1))
    SerializedDagModel.remove_dag('gone')
    return scheduling.scheduler()


def test_the_scheduler_goes_on_with_the_other_dags(job):
    assert isinstance(scheduling.looped(job), int), 'the scheduler ends'
    assert scheduling.task_of('there').state in ('scheduled', 'queued', 'success')
    assert scheduling.task_of('gone').state is None


def test_a_task_that_waits_to_be_queued_waits_for_its_dag(job):
    for dag_id in ('gone', 'there'):
        scheduling.change(dag_id, state='scheduled', pool='default_pool')

    assert isinstance(scheduling.looped(job), int), 'the scheduler ends'

    assert scheduling.task_of('there').state == 'queued'
    assert scheduling.task_of('gone').state is None


def test_it_goes_on_with_the_dag_once_that_is_back(job):
    scheduling.looped(job)
    scheduling.stored('gone', task_concurrency=1)
    for _ in range(2):
        assert isinstance(scheduling.looped(job), int), 'the scheduler ends'
    assert scheduling.task_of('gone').state in ('scheduled', 'queued', 'success')
