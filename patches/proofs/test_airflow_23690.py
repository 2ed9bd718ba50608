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

    now = timezone.utcnow()

    def later(seconds):
        moment = now + datetime.timedelta(seconds=seconds)
        monkeypatch.setattr(celery_executor, 'utcnow', lambda: moment, raising=False)
        monkeypatch.setattr(timezone, 'utcnow', lambda: moment)

    return later


class Pool:
    """Processes that ask Celery, in this one."""

    def __init__(self, *args, **kwargs):
        pass

    def map(self, function, items, chunksize=None):
        return list(map(function, items))

    def close(self):
        pass

    join = terminate = close


@pytest.fixture(name='sent')
def fixture_sent(monkeypatch):
    """Makes an executor with a limit that has sent a task; what it then is for Celery, and in the database."""
    from airflow.configuration import conf
    from airflow.executors import celery_executor
    from airflow.models import DagRun, TaskInstance

    def sent(limit, celery='PENDING', database='queued'):
        dag = scheduling.stored('lost')
        with scheduling.session() as session:
            for model in (TaskInstance, DagRun):
                session.query(model).filter(model.dag_id == 'lost').delete()
        dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True)
        scheduling.change('lost', state='queued')
        monkeypatch.setenv('AIRFLOW__CELERY__STALLED_TASK_TIMEOUT', str(limit))
        assert conf.getint('celery', 'stalled_task_timeout') == limit
        executor = celery_executor.CeleryExecutor()
        # 2.x sends one task itself and asks for all at once; 1.10 has processes for both.
        monkeypatch.setattr(celery_executor, 'Pool', Pool)
        monkeypatch.setattr(celery_executor, 'fetch_celery_task_state', lambda item: (item[0], item[1].state), raising=False)
        monkeypatch.setattr(
            celery_executor, 'send_task_to_executor', lambda task: (task[0], task[2], Sent(celery))
        )
        if hasattr(executor, 'bulk_state_fetcher'):
            executor.bulk_state_fetcher.get_many = lambda results: {one.task_id: (one.state, None) for one in results}
        executor.queue_command(scheduling.task_of('lost'), ['airflow', 'run'])
        executor.trigger_tasks(4)
        assert executor.running
        values = {'external_executor_id': 'sent'} if hasattr(TaskInstance, 'external_executor_id') else {}
        scheduling.change('lost', state=database, queued_dttm=scheduling.DAY, **values)
        return executor

    return sent


def test_a_task_that_celery_has_lost_is_sent_again(control, clock, sent):
    executor = sent(60)
    clock(59)
    executor.sync()
    assert executor.running and not control.revoked
    clock(120)
    executor.sync()
    ti = scheduling.task_of('lost')
    assert ti.state == 'scheduled', 'it stays queued for ever'
    assert (getattr(ti, 'external_executor_id', None), ti.queued_dttm) == (None, None)
    assert not executor.running and not executor.tasks and control.revoked == ['sent']
    assert not [key for key, (state, _) in executor.get_event_buffer().items() if state == 'failed']


@pytest.mark.parametrize('celery, database', [('STARTED', 'running'), ('STARTED', 'queued')])
def test_a_task_that_a_worker_has_begun_is_left_to_it(control, clock, sent, celery, database):
    executor = sent(60, celery, database)
    clock(120)
    executor.sync()
    assert executor.running and not control.revoked
    assert scheduling.task_of('lost').state == database


def test_a_task_that_has_just_begun_runs_on(clock, control, sent):
    executor = sent(60, database='running')
    clock(120)
    executor.sync()
    assert scheduling.task_of('lost').state == 'running'


def test_by_default_nothing_is_sent_again(clock, control, sent):
    executor = sent(0)
    clock(10 ** 6)
    executor.sync()
    assert executor.running and not control.revoked
    assert scheduling.task_of('lost').state == 'queued'
