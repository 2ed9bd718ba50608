"""apache/airflow#14085: a scheduler that is told to end does so, with its executor and after the tasks of it."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

# A scheduler that does not look into files; what its executor does is told in a file.
SCHEDULER = '''
import multiprocessing, os, sys, time

said = os.environ['SAID']


def say(word):
    with open(said, 'a') as file:
        file.write(word + ' ')


from airflow import settings
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.local_executor import LocalExecutor
from airflow.executors.sequential_executor import SequentialExecutor
from airflow.jobs import scheduler_job

settings.EXECUTE_TASKS_NEW_PYTHON_INTERPRETER = True
RUN = ['airflow', 'run'] if hasattr(scheduler_job.SchedulerJob, '_execute_helper') else ['airflow', 'tasks', 'run']


class Watching(BaseExecutor):
    """Has a process beside it, as that for Kubernetes has."""

    def start(self):
        self.watcher = multiprocessing.Process(target=time.sleep, args=(60,))
        self.watcher.start()

    def end(self):
        self.watcher.terminate()
        say('ended')


class LocalExecutor(LocalExecutor):
    """Has a task from its beginning."""

    def start(self):
        super().start()
        self.execute_async('key', RUN)


class Unlimited(LocalExecutor):
    def __init__(self):
        super().__init__()
        self.parallelism = 0


class SequentialExecutor(SequentialExecutor):
    """Is asked to begin a task when somebody has told the scheduler to end."""

    def end(self):
        say('asked')


class Agent:
    """Stands for the reader of DAG files."""

    done = all_files_processed = False

    def __init__(self, *args, **kwargs):
        pass

    def wait_until_finished(self):
        say('runs')
        if sys.argv[2] == 'an error':
            raise OSError('the database is away')
        time.sleep(0.2)

    def harvest_simple_dags(self):
        return []

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


scheduler_job.DagFileProcessorAgent = Agent
os.setpgrp()
executor = globals()[sys.argv[1]]
job = scheduler_job.SchedulerJob(subdir=os.devnull, executor=executor(), num_runs=-1)
job.run()
'''


@pytest.fixture(name='scheduler')
def fixture_scheduler(tmp_path):
    """Starts a scheduler with an executor, ends it in some way, and tells what was said; None if it goes on."""
    task = tmp_path / 'airflow'
    task.write_text('#!/bin/sh\necho begun >>$SAID\nsleep 3\necho finished >>$SAID\n')
    task.chmod(0o755)
    said = tmp_path / 'said'
    environment = dict(os.environ, SAID=str(said), PATH=str(tmp_path) + os.pathsep + os.environ['PATH'])
    # The path of a socket must be short
    environment['TMPDIR'] = short = tempfile.mkdtemp(prefix='proof-', dir='/tmp')
    started = []

    def run(executor, how, word='runs', group=False):
        command = [sys.executable, '-c', SCHEDULER, executor, how]
        process = subprocess.Popen(command, env=environment)
        started.append(process)
        until = time.time() + 60
        while not (said.exists() and word in said.read_text() and 'runs' in said.read_text()):
            assert process.poll() is None and time.time() < until, 'the scheduler does not begin'
            time.sleep(0.1)
        if how == 'a signal':
            (os.killpg if group else os.kill)(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return None
        return said.read_text().replace('runs', '').split()

    yield run
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            pass
        process.wait()
    shutil.rmtree(short, ignore_errors=True)


@pytest.mark.parametrize('how', ['a signal', 'an error'])
def test_a_scheduler_ends_whose_executor_has_a_process(scheduler, how):
    assert scheduler('Watching', how) == ['ended'], 'the scheduler does not end, as its executor does not'


@pytest.mark.parametrize('executor', ['LocalExecutor', 'Unlimited'])
def test_a_scheduler_ends_after_its_tasks(scheduler, executor):
    assert scheduler(executor, 'a signal', 'begun') == ['begun', 'finished'], 'the task was left behind'


@pytest.mark.parametrize('executor', ['LocalExecutor', 'Unlimited'])
def test_a_scheduler_waits_for_no_tasks_that_the_signal_ended_too(scheduler, executor):
    assert scheduler(executor, 'a signal', 'begun', group=True) == ['begun']


def test_a_scheduler_waits_for_no_task_when_an_error_ends_it(scheduler):
    assert 'finished' not in scheduler('LocalExecutor', 'an error')


def test_a_scheduler_begins_no_task_when_it_is_told_to_end(scheduler):
    assert scheduler('SequentialExecutor', 'a signal') == []
