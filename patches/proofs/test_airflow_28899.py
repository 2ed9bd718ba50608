"""apache/airflow#28899: a scheduler takes over no pod of another one that is alive."""
import datetime

import cluster  # noqa: F401
import pods
import pytest
import scheduling


def job(kind, state, seconds):
    """The id of a job that has said so many seconds ago that it is alive."""
    from airflow.jobs.base_job import BaseJob

    now = datetime.datetime.now(datetime.timezone.utc)
    with scheduling.session() as session:
        inserted = session.execute(
            BaseJob.__table__.insert().values(
                job_type=kind, state=state, latest_heartbeat=now - datetime.timedelta(seconds=seconds), start_date=now
            )
        )
        return inserted.inserted_primary_key[0]


@pytest.fixture(name='taken_over')
def fixture_taken_over(monkeypatch):
    """Whether a scheduler takes over a pod of that job, which has ended."""
    with pods.schedulers(monkeypatch) as made:

        def taken_over(kind, state, seconds):
            kubernetes = pods.Cluster()
            worker = str(job(kind, state, seconds))
            kubernetes.add('its-pod', worker=worker, phase='Succeeded')
            other = made(kubernetes, worker='1000')
            other.executor._adopt_completed_pods(kubernetes)
            label = kubernetes.pods['its-pod'].metadata.labels['airflow-worker']
            assert label in (worker, '1000')
            return label == '1000'

        yield taken_over


@pytest.mark.parametrize('kind', ['SchedulerJob', 'BackfillJob'])
def test_pods_of_who_is_alive_are_left_to_it(taken_over, kind):
    assert not taken_over(kind, 'running', 5), 'both tell of its task'


@pytest.mark.parametrize('state, seconds', [('running', 3600), ('failed', 5), ('success', 5)])
def test_pods_of_a_scheduler_that_has_ended_are_taken_over(taken_over, state, seconds):
    assert taken_over('SchedulerJob', state, seconds)


def test_whoever_asks_keeps_his_session(monkeypatch):
    """A scheduler that takes over tasks has them in a session, which is one for all in its thread."""
    from airflow import settings
    from airflow.models import TaskInstance

    scheduling.run_of(scheduling.stored('own'), state='running')
    session = settings.Session()
    ti = session.query(TaskInstance).filter_by(dag_id='own').first()
    with pods.schedulers(monkeypatch) as made:
        made(pods.Cluster(), worker='1000').executor._adopt_completed_pods(pods.Cluster())
    assert ti in session, 'the scheduler ends when it tells of the task'
