"""apache/airflow#16301: a task that is killed, or whose worker is told to end, is tried again if it has retries left."""
import os
import signal
import subprocess
import sys
import time

import pytest
import scheduling

DATE = '2021-01-01T00:00:00+00:00'
DAG = '''
import os, signal, time
from datetime import datetime
from airflow import DAG
from airflow.operators.python import PythonOperator

def say(word):
    with open({said!r}, 'a') as file:
        file.write(word + '\\n')

def work():
    say('begun')
    if {kind!r} == 'killed':
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)

with DAG('mortal', start_date=datetime(2021, 1, 1), schedule_interval=None) as dag:
    PythonOperator(
        task_id='task', python_callable=work, retries={retries}, on_retry_callback=lambda context: say('retry'),
        on_failure_callback=lambda context: say('failure'), on_success_callback=lambda context: say('success'),
    )
'''
# The worker is told to end before the task runs.
EARLY = '''
import os, signal, sys, time
from airflow.models import TaskInstance

def told_to_end(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)

TaskInstance.check_and_change_state_before_execution = told_to_end
from airflow.__main__ import main
sys.exit(main())
'''


class Task:
    """A queued task that is carried out by a process of its own, as a worker does it."""

    def __init__(self, folder, kind, retries):
        from airflow.models import DagBag
        from airflow.utils import timezone

        self.said = str(folder / 'said')
        self.file = str(folder / 'mortal.py')
        with open(self.file, 'w') as file:
            file.write(DAG.format(said=self.said, kind=kind, retries=retries))
        bag = DagBag(dag_folder=self.file, include_examples=False)
        bag.sync_to_db()
        dag = bag.dags['mortal']
        scheduling.run_of(dag, state='queued', execution_date=timezone.parse(DATE))
        scheduling.change('mortal', max_tries=retries)

    def carried_out(self, program=('-m', 'airflow'), meanwhile=lambda process: None):
        """What the task is afterwards, and what was called."""
        words = ['tasks', 'run', 'mortal', 'task', DATE, '--local', '--subdir', self.file]
        process = subprocess.Popen([sys.executable] + list(program) + words, start_new_session=True)
        try:
            meanwhile(process)
            process.wait(90)
        finally:
            if process.poll() is None:
                process.kill()
        return scheduling.task_of('mortal').state, [word for word in self.words() if word != 'begun']

    def words(self):
        if not os.path.exists(self.said):
            return []
        with open(self.said) as file:
            return file.read().split()

    def ended_while_it_runs(self, process):
        until = time.time() + 60
        while not self.words():
            assert time.time() < until and process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)


def test_a_task_that_is_killed_is_tried_again(tmp_path):
    assert Task(tmp_path, 'killed', retries=1).carried_out() == ('up_for_retry', ['retry'])


def test_a_task_whose_worker_is_told_to_end_is_tried_again(tmp_path):
    task = Task(tmp_path, 'sleeps', retries=1)
    assert task.carried_out(meanwhile=task.ended_while_it_runs) == ('up_for_retry', ['retry'])


def test_a_task_without_retries_fails_and_says_so_once(tmp_path):
    assert Task(tmp_path, 'killed', retries=0).carried_out() == ('failed', ['failure'])


def test_a_task_that_has_not_begun_when_its_worker_is_told_to_end_is_left_to_the_scheduler(tmp_path):
    state, called = Task(tmp_path, 'sleeps', retries=1).carried_out(program=('-c', EARLY))
    assert (state, called) == ('queued', []), 'it fails without having been tried'
