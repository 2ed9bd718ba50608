"""apache/airflow#15929: a task that failed while it was queued is tried again or failed, whether its file is read or not."""
import datetime
import sched
import time

import pytest
import scheduling

HOUR = datetime.timedelta(hours=1)


@pytest.fixture(name='clock')
def fixture_clock(monkeypatch):
    """A list of how far the clock has been put forward."""
    from airflow.utils import timezone

    forward = [datetime.timedelta()]
    now, count = timezone.utcnow, time.monotonic
    monkeypatch.setattr(timezone, 'utcnow', lambda: now() + forward[-1])
    later = (lambda: count() + forward[-1].total_seconds(), time.sleep)
    monkeypatch.setattr(sched.scheduler.__init__, '__defaults__', later)
    return forward


@pytest.fixture(name='mails')
def fixture_mails(monkeypatch):
    """The addresses to which mails were sent."""
    from airflow.models import taskinstance

    sent = []
    monkeypatch.setattr(taskinstance, 'send_email', lambda to, *args, **kwargs: sent.append(to))
    return sent


def queued(**kwargs):
    """A task that is queued."""
    from airflow.utils import timezone

    ti = scheduling.run_of(scheduling.stored('own', **kwargs), state='queued', queued_dttm=timezone.utcnow())
    # What the run took over when it was made.
    scheduling.change('own', max_tries=kwargs.get('retries', 0))
    return ti


def scheduled(clock, ti, meanwhile=lambda job: None, after=HOUR):
    """A scheduler runs, whose executor says that the task has failed, and some time later it runs still."""
    job = scheduling.scheduler()
    job.processor_agent.done = False
    job.num_runs = 3
    job._processor_poll_interval = 0
    with scheduling.session() as session:
        session.add(job)
        session.flush()
        job_id = job.id
        session.expunge(job)
    scheduling.change('own', queued_by_job_id=job_id)
    loops = []

    def heartbeat():
        loops.append(None)
        if len(loops) == 1:
            job.executor.event_buffer[ti.key] = ('failed', None)
        if len(loops) == 2:
            meanwhile(job)
            clock.append(after)

    job.executor.heartbeat = heartbeat
    try:
        job._run_scheduler_loop()
    except Exception as error:  # pylint: disable=broad-except
        pytest.fail('the scheduler ends: %r' % error)
    assert len(loops) == 3
    return job


def told(job):
    """The tasks for which the reader of files was told that they have failed."""
    requests = [request for request in job.processor_agent.told if hasattr(request, 'simple_task_instance')]
    return [request.simple_task_instance.task_id for request in requests]


@pytest.mark.parametrize('retries, state', [(0, 'failed'), (1, 'up_for_retry')])
def test_a_task_that_nobody_sees_to_is_not_queued_for_ever(clock, mails, retries, state):
    ti = queued(retries=retries, email='team@example.invalid')

    job = scheduled(clock, ti)

    assert told(job) == ['task'], 'who reads the file is asked first: he knows the callbacks'
    now = scheduling.task_of('own')
    assert now.state == state
    assert mails == ['team@example.invalid'], 'nobody was told'


def test_it_has_no_more_tries_than_it_may_have(clock, mails):
    ti = queued(retries=1)
    scheduled(clock, ti)
    assert scheduling.task_of('own').state == 'up_for_retry'
    scheduling.change('own', state='queued')

    scheduled(clock, scheduling.task_of('own'), after=2 * HOUR)

    assert scheduling.task_of('own').state == 'failed'
    assert not mails


def test_one_that_is_stored_no_more_is_failed(clock):
    from airflow.models.serialized_dag import SerializedDagModel

    ti = queued()
    SerializedDagModel.remove_dag('own')

    scheduled(clock, ti)

    assert scheduling.task_of('own').state == 'failed'


def test_who_reads_the_file_has_some_time(clock, mails):
    ti = queued()

    scheduled(clock, ti, after=datetime.timedelta(seconds=100))

    assert scheduling.task_of('own').state == 'queued'
    assert not mails


@pytest.mark.parametrize('values', [{'state': 'success'}, {'state': 'running'}, {'try_number': 1}, {'queued_dttm': None}],
                         ids=lambda values: ''.join(values))  # fmt: skip
def test_one_that_somebody_has_seen_to_is_as_he_left_it(clock, mails, values):
    ti = queued(retries=3)

    scheduled(clock, ti, meanwhile=lambda job: scheduling.change('own', **values))

    assert scheduling.task_of('own').state == values.get('state', 'queued')
    assert not mails


def test_who_reads_the_file_late_leaves_it_alone(tmp_path, clock):
    from airflow.jobs.scheduler_job import DagFileProcessor
    from airflow.utils.log.logging_mixin import LoggingMixin

    ti = queued(retries=1)
    job = scheduled(clock, ti)
    assert scheduling.task_of('own').state == 'up_for_retry'
    scheduling.change('own', state='running')
    file = tmp_path / 'own.py'
    file.write_text(
        'from datetime import datetime\nfrom airflow import DAG\nfrom airflow.operators.dummy_operator import DummyOperator\n'
        'dag = DAG("own", start_date=datetime(2021, 6, 1), schedule_interval=None)\nDummyOperator(task_id="task", dag=dag)\n'
    )

    requests = [request for request in job.processor_agent.told if hasattr(request, 'simple_task_instance')]
    DagFileProcessor(dag_ids=[], log=LoggingMixin().log).process_file(str(file), requests)

    assert scheduling.task_of('own').state == 'running'
