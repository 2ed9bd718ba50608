"""apache/airflow#14057: the scheduler goes on when a task is removed from a DAG with a run."""
import pytest
import scheduling


@pytest.fixture(autouse=True)
def fixture_at_once(monkeypatch):
    from airflow import settings

    monkeypatch.setattr(settings, 'MIN_SERIALIZED_DAG_FETCH_INTERVAL', 0)
    monkeypatch.setattr(settings, 'MIN_SERIALIZED_DAG_UPDATE_INTERVAL', 0)


def removed(state):
    """What the scheduler says after a task in some state was removed; it has not heard of the new DAG."""
    from airflow.models import DagRun
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session

    scheduling.run_of(scheduling.stored('own', tasks=['task', 'gone']))
    scheduling.change('own', state=state)
    scheduling.stored('own')
    with create_session() as session:
        # As if it had been looked at since, by another scheduler.
        run = session.query(DagRun).filter(DagRun.dag_id == 'own').one()
        run.dag_hash = SerializedDagModel.get_latest_version_hash('own', session=session)
    return scheduling.looped(scheduling.scheduler())


def test_a_removed_task_is_left_out_of_its_run():
    assert isinstance(removed(None), int), 'the scheduler ends'
    assert scheduling.task_of('own', 'gone').state == 'removed'
    assert scheduling.task_of('own').state == 'success'
