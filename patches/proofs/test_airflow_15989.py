"""apache/airflow#15989: a process that sends tasks to Celery does not take its end for that of the scheduler."""
import json
import os
import signal
import time

import pytest
import scheduling


def sent(task):
    """Stands for the function that sends a task; a child says which one it has sent."""
    return task[0]


def state_of(task):
    """Stands for the function that asks Celery for the state of a task."""
    return task, 'SUCCESS', None


@pytest.fixture(name='scheduler')
def fixture_scheduler(tmp_path, monkeypatch):
    """A scheduler with its handlers of signals, of whose children only the first begins to work soon."""
    from airflow.executors import celery_executor

    job = scheduling.scheduler()
    job.ended = tmp_path / 'ended'
    job.processor_agent.end = lambda: job.ended.write_text('by a child')
    job.executor = celery_executor.CeleryExecutor()
    job.executor._sync_parallelism = job.executor.bulk_state_fetcher._sync_parallelism = 2
    monkeypatch.setattr(celery_executor, 'send_task_to_executor', sent)
    monkeypatch.setattr(celery_executor, 'fetch_celery_task_state', state_of)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)}
    job.register_signals()
    parents, children = [], tmp_path / 'children'
    job.begins = parents.append

    def begin():
        if os.getppid() in parents:
            try:
                children.mkdir()
            except FileExistsError:
                time.sleep(2)

    os.register_at_fork(after_in_child=begin)
    yield job
    for number, handler in handlers.items():
        signal.signal(number, handler)


def outcome(function, scheduler, folder):
    """What a function of a scheduler says, in a process of its own; None if it does not come back."""
    pid = os.fork()
    if not pid:
        try:
            os.setsid()
            scheduler.begins(os.getpid())
            (folder / 'said').write_text(json.dumps(function()))
        finally:
            os._exit(0)
    for _ in range(100):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return json.loads((folder / 'said').read_text())
        time.sleep(0.1)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def test_all_tasks_are_sent_and_the_scheduler_goes_on(scheduler, tmp_path):
    tasks = [(number, None, ['airflow'], 'default', None) for number in range(4)]
    said = outcome(lambda: list(scheduler.executor._send_tasks_to_celery(tasks)), scheduler, tmp_path)
    assert said == [0, 1, 2, 3], 'the scheduler waits for ever'
    assert not scheduler.ended.exists(), 'a child has ended what belongs to the scheduler'


def test_celery_is_asked_for_states_and_the_scheduler_goes_on(scheduler, tmp_path):
    tasks = ['a', 'b', 'c', 'd']
    fetcher = scheduler.executor.bulk_state_fetcher
    said = outcome(lambda: fetcher._get_many_using_multiprocessing(tasks), scheduler, tmp_path)
    assert said == {task: ['SUCCESS', None] for task in tasks}, 'the scheduler waits for ever'
    assert not scheduler.ended.exists(), 'a child has ended what belongs to the scheduler'


def test_a_signal_ends_the_scheduler_itself(scheduler):
    with pytest.raises(SystemExit):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    assert scheduler.ended.exists()


def test_a_task_alone_is_sent(scheduler):
    assert scheduler.executor._send_tasks_to_celery([(7, None, ['airflow'], 'default', None)]) == [7]
