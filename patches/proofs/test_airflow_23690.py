"""apache/airflow#23690: a task that Celery has lost is sent again, where the operator says after how long."""
import datetime

import pytest
import scheduling


class Sent:
    """What Celery says of a task that was sent to it."""

    task_id = 'sent'
    info = None
    backend = None

    def __init__(self, state):
        self.state = state


class Control:
    """Who tells workers what to do."""

    def __init__(self):
        self.revoked = []

    def revoke(self, task_id):
        self.revoked.append(task_id)


@pytest.fixture(name='control')
def fixture_control(monkeypatch):
    from airflow.executors import celery_executor

    control = Control()
    monkeypatch.setattr(celery_executor.app, 'control', control)
    return control


@pytest.fixture(name='clock')
def fixture_clock(monkeypatch):
    """Moves the clock of the executor on by some seconds."""
    from airflow.executors import celery_executor
    from airflow.utils import timezone

    def later(seconds):
        moment = timezone.utcnow() + datetime.timedelta(seconds=seconds)
        monkeypatch.setattr(celery_executor, 'utcnow', lambda: moment)

    return later


def sent(limit, celery='PENDING', database='queued'):
    """An executor with that limit that has sent a task, what it then is for Celery and in the database, and its key."""
    from airflow.configuration import conf
    from airflow.executors.celery_executor import CeleryExecutor

    ti = scheduling.run_of(scheduling.stored('lost'), state='queued')
    conf.set('celery', 'stalled_task_timeout', str(limit))
    try:
        executor = CeleryExecutor()
    finally:
        conf.remove_option('celery', 'stalled_task_timeout')
    executor._send_tasks_to_celery = lambda tasks: [(key, command, Sent(celery)) for key, _, command, _, _ in tasks]
    executor.bulk_state_fetcher.get_many = lambda results: {result.task_id: (result.state, None) for result in results}
    executor.queue_command(ti, ['airflow', 'tasks', 'run'])
    executor.trigger_tasks(4)
    assert executor.running
    scheduling.change('lost', state=database, queued_dttm=scheduling.DAY, external_executor_id='sent')
    return executor


def test_a_task_that_celery_has_lost_is_sent_again(control, clock):
    executor = sent(60)
    clock(59)
    executor.sync()
    assert executor.running and not control.revoked
    clock(61)
    executor.sync()
    ti = scheduling.task_of('lost')
    assert ti.state == 'scheduled', 'it stays queued for ever'
    assert (ti.external_executor_id, ti.queued_dttm) == (None, None)
    assert not executor.running and not executor.tasks and control.revoked == ['sent']
    assert not [key for key, (state, _) in executor.get_event_buffer().items() if state == 'failed']


@pytest.mark.parametrize('celery, database', [('STARTED', 'running'), ('STARTED', 'queued')])
def test_a_task_that_a_worker_has_begun_is_left_to_it(control, clock, celery, database):
    executor = sent(60, celery, database)
    clock(61)
    executor.sync()
    assert executor.running and not control.revoked
    assert scheduling.task_of('lost').state == database


def test_a_task_that_has_just_begun_runs_on(clock, control):
    executor = sent(60, database='running')
    clock(61)
    executor.sync()
    assert scheduling.task_of('lost').state == 'running'


def test_by_default_nothing_is_sent_again(clock, control):
    executor = sent(0)
    clock(10 ** 6)
    executor.sync()
    assert executor.running and not control.revoked
    assert scheduling.task_of('lost').state == 'queued'
