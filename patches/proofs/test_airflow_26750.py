"""apache/airflow#26750: the process of a task uses the DAG that its job has read, and does not read the file again."""
import subprocess
import sys

import pytest
import scheduling

FILE = '''
import time
from datetime import datetime
from airflow import DAG
from airflow.operators.python_operator import PythonOperator

with open({reads!r}, 'a') as reads:
    reads.write('read ')

def work(ds, ti, **context):
    with open({done!r}, 'a') as done:
        done.write(ds + ti.task_id)
    {does}

with DAG('own', start_date=datetime(2021, 6, 1), schedule_interval=None) as dag:
    PythonOperator(task_id='task', python_callable=work, provide_context=True)
'''
SCRIPT = '''
from airflow.bin.cli import CLIFactory
words = CLIFactory.get_parser().parse_args()
words.func(words)
'''


@pytest.mark.parametrize('does, state', [('pass', 'success'), ('raise ValueError()', 'failed')])
def test_the_file_of_a_dag_is_read_once_for_a_task(tmp_path, monkeypatch, does, state):
    from airflow.models import DagBag, DagRun, TaskInstance

    reads, done, file = tmp_path / 'reads', tmp_path / 'done', tmp_path / 'own.py'
    file.write_text(FILE.format(reads=str(reads), done=str(done), does=does))
    dag = DagBag(dag_folder=str(file), include_examples=False).dags['own']
    dag.sync_to_db()
    with scheduling.session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).filter(model.dag_id == 'own').delete()
    dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True)
    reads.write_text('')
    monkeypatch.setenv('AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC', '1')
    words = ['run', 'own', 'task', scheduling.DAY.isoformat(), '--local', '--subdir', str(file)]
    subprocess.run([sys.executable, '-c', SCRIPT] + words, timeout=90, check=False)

    assert scheduling.task_of('own').state == state
    assert done.read_text() == '2021-06-02task'
    assert reads.read_text() == 'read ', 'each task takes as long as the file more than once'
