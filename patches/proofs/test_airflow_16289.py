"""apache/airflow#16289: a task that has ended is not killed while it is looked for what may follow it."""
import os
import subprocess
import sys

import pytest
import scheduling

DATE = '2021-06-02T00:00:00+00:00'
DAG = '''
from datetime import datetime
from airflow import DAG
from airflow.exceptions import AirflowSkipException
from airflow.operators.python import PythonOperator

def work():
    {does}

with DAG('pair', start_date=datetime(2021, 6, 1), schedule_interval=None) as dag:
    first = PythonOperator(task_id='first', python_callable=work)
    first >> PythonOperator(task_id='second', python_callable=work, trigger_rule='all_done')
'''
# The database takes longer than the time between two heartbeats.
SLOW = '''
import sys, time
from airflow.models import DagRun

look = DagRun.task_instance_scheduling_decisions

def slowly(self, session=None):
    time.sleep(6)
    return look(self, session)

DagRun.task_instance_scheduling_decisions = slowly
from airflow.__main__ import main
sys.exit(main())
'''


@pytest.mark.parametrize('skips', [False, True])
@pytest.mark.parametrize('program', [('-m', 'airflow'), ('-c', SLOW)], ids=['quick', 'slow'])
def test_what_follows_a_task_is_scheduled_when_it_has_ended(tmp_path, program, skips):
    from airflow.models import DagBag

    file = tmp_path / 'pair.py'
    file.write_text(DAG.format(does='raise AirflowSkipException()' if skips else 'pass'))
    bag = DagBag(dag_folder=str(file), include_examples=False)
    bag.sync_to_db()
    dag = bag.dags['pair']
    run(dag)
    words = ['tasks', 'run', 'pair', 'first', DATE, '--local', '--subdir', str(file)]
    settings = {'AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC': '1'}
    done = subprocess.run(
        [sys.executable] + list(program) + words, env=dict(os.environ, **settings), timeout=90, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
    )
    assert scheduling.task_of('pair', 'first').state == ('skipped' if skips else 'success')
    assert 'externally set' not in logs(done.stdout)
    assert scheduling.task_of('pair', 'second').state == 'scheduled'


def test_nothing_follows_a_task_that_has_failed(tmp_path):
    from airflow.models import DagBag

    file = tmp_path / 'pair.py'
    file.write_text(DAG.format(does='raise ValueError()'))
    bag = DagBag(dag_folder=str(file), include_examples=False)
    bag.sync_to_db()
    run(bag.dags['pair'])
    words = ['tasks', 'run', 'pair', 'first', DATE, '--local', '--subdir', str(file)]
    subprocess.run([sys.executable, '-m', 'airflow'] + words, timeout=90, check=False)
    assert scheduling.task_of('pair', 'first').state == 'failed'
    assert scheduling.task_of('pair', 'second').state is None


def run(dag):
    """A run of a DAG whose first task is queued."""
    from airflow.models import DagRun, TaskInstance

    with scheduling.session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).filter(model.dag_id == 'pair').delete()
    dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True)
    with scheduling.session() as session:
        session.query(TaskInstance).filter_by(dag_id='pair', task_id='first').one().state = 'queued'


def logs(said):
    """What was said, and what is in the logs of the task."""
    folder = os.path.join(os.environ['AIRFLOW_HOME'], 'logs', 'pair', 'first')
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name)) as log:
                said += log.read()
            os.unlink(os.path.join(place, name))
    return said
