"""CVE-2020-11981: executors run the command that runs a task, and nothing else that they are given."""
import os
import stat

import pytest

TASK = ['airflow', 'run', 'dag', 'task', '2021-01-01T00:00:00+00:00', '--local']


@pytest.fixture(name='marker')
def fixture_marker(tmp_path):
    return tmp_path / 'marker'


@pytest.fixture(name='commands')
def fixture_commands(marker):
    """What somebody may put on the queue who has the broker."""
    return {
        'another program': ['touch', str(marker)],
        'a shell': ['sh', '-c', 'touch {}'.format(marker)],
        'airflow, but not run': ['airflow', 'initdb', str(marker)],
        'run of another program': ['env', 'airflow', 'run', 'sh', '-c', 'touch {}'.format(marker)],
        'a path that ends like it': [str(marker.parent / 'airflow'), 'run'],
        'nothing': [],
    }


KINDS = [
    'another program',
    'a shell',
    'airflow, but not run',
    'run of another program',
    'a path that ends like it',
    'nothing',
]


@pytest.fixture(autouse=True)
def programs(tmp_path, marker, monkeypatch):
    """An `airflow` first in PATH that says what it was called with; the worker's PATH finds it."""
    log = tmp_path / 'called'
    program = tmp_path / 'airflow'
    program.write_text('#!/bin/sh\necho "$@" >> {}\n[ "$1" = run ] || touch {}\n[ "$3" ] || touch {}\n'.format(
        log, marker, marker
    ))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)
    return log


@pytest.fixture(name='worker')
def fixture_worker(monkeypatch):
    """What a Celery worker does with a message of its queue."""
    monkeypatch.setenv('AIRFLOW__CELERY__BROKER_URL', 'memory://')
    monkeypatch.setenv('AIRFLOW__CELERY__RESULT_BACKEND', 'cache+memory://')
    from airflow.executors.celery_executor import execute_command

    return execute_command


@pytest.mark.parametrize('kind', KINDS)
def test_a_celery_worker_runs_nothing_else_that_comes_from_the_broker(worker, commands, marker, programs, kind):
    failure = None

    try:
        worker(commands[kind])
    except Exception as error:  # pylint: disable=broad-except
        failure = error

    assert not marker.exists(), 'a worker ran what came from the broker'
    assert not programs.exists(), 'a worker ran what came from the broker'
    assert isinstance(failure, ValueError)


class Processes:
    """Where the local executor starts processes."""

    def __init__(self):
        self.started = []

    def execute_async(self, key, command):
        self.started.append((key, command))


def test_the_local_executor_refuses_it_before_a_process_is_started(commands):
    from airflow.executors.local_executor import LocalExecutor

    executor, failure = LocalExecutor(), None
    executor.impl = Processes()
    try:
        executor.execute_async(key=('dag', 'task', None, 1), command=commands['a shell'])
    except Exception as error:  # pylint: disable=broad-except
        failure = error

    assert executor.impl.started == [], 'an executor starts what is not a task'
    assert isinstance(failure, ValueError)

    executor.execute_async(key=('dag', 'task', None, 1), command=TASK)
    assert executor.impl.started == [(('dag', 'task', None, 1), TASK)]


def test_the_sequential_executor_refuses_it_before_a_process_is_started(commands, marker):
    from airflow.executors.sequential_executor import SequentialExecutor

    executor, failure = SequentialExecutor(), None
    executor.start()
    try:
        executor.execute_async(key=('dag', 'task', None, 1), command=commands['a shell'])
        executor.sync()
    except Exception as error:  # pylint: disable=broad-except
        failure = error

    assert not marker.exists(), 'an executor ran what is not a task'
    assert isinstance(failure, ValueError)


def test_a_celery_worker_still_runs_tasks(worker, programs):
    worker(TASK)

    assert programs.read_text().split() == TASK[1:]


def test_what_airflow_itself_sends_is_still_run(worker, programs):
    import datetime

    from airflow.models import DAG, TaskInstance
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.utils import timezone

    date = timezone.make_aware(datetime.datetime(2021, 1, 1))
    task_instance = TaskInstance(DummyOperator(task_id='task', dag=DAG('dag', start_date=date)), date)

    worker(task_instance.command_as_list(local=True, ignore_all_deps=True))

    assert programs.read_text().split()[:3] == ['run', 'dag', 'task']
