"""apache/airflow#26509: a task is run where the folder of DAGs is not where the scheduler has it."""
import importlib.util
import os
import subprocess
import sys

import pytest
import scheduling

FILE = '''
from datetime import datetime
from airflow import DAG
try:
    from airflow.operators.dummy import DummyOperator
except ImportError:
    from airflow.operators.dummy_operator import DummyOperator

dag = DAG('own', start_date=datetime(2021, 6, 1), schedule_interval=None)
DummyOperator(task_id='task', dag=dag)
'''


@pytest.fixture(name='file')
def fixture_file():
    """The file of a DAG in the folder of this machine, with a run."""
    from airflow.models import DagBag

    folder = os.environ['AIRFLOW__CORE__DAGS_FOLDER']
    os.makedirs(folder, exist_ok=True)
    file = os.path.join(folder, 'own.py')
    with open(file, 'w') as opened:
        opened.write(FILE)
    dag = DagBag(file).get_dag('own')
    dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True)
    yield file
    from airflow.models import DagRun, TaskInstance

    with scheduling.session() as opened:
        for model in (TaskInstance, DagRun):
            opened.query(model).delete()


def run(path):
    """What a worker runs for a task whose file has some path for the scheduler, and what becomes of the task."""
    words = ['tasks', 'run'] if importlib.util.find_spec('airflow.cli') else ['run']
    airflow = os.path.join(os.path.dirname(sys.executable), 'airflow')
    options = ['--subdir', path, '--local']
    command = [sys.executable, airflow] + words + ['own', 'task', scheduling.DAY.isoformat()] + options
    print(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout.decode())
    return scheduling.task_of('own').state


def test_a_task_is_run_whose_file_is_elsewhere_for_the_scheduler(file):
    assert run('/where/the/scheduler/has/them/own.py') == 'success', 'the DAG is not found'


def test_a_task_is_run_whose_file_is_where_the_scheduler_has_it(file):
    assert run(file) == 'success'


def test_a_task_is_not_run_from_another_file_than_one_that_is_there(file, tmp_path):
    other = tmp_path / 'other.py'
    other.write_text('from airflow import DAG')
    assert run(str(other)) is None
