"""apache/airflow#14909: a DAG that has not changed is the same in every process that reads it."""
import os
import subprocess
import sys

PROGRAM = '''
import datetime, sys
from airflow.models import DAG
from airflow.models.serialized_dag import SerializedDagModel
from airflow.operators.python_operator import PythonOperator
dag = DAG('own', start_date=datetime.datetime(2021, 6, 1), schedule_interval=None)
wanted = eval(sys.argv[1])
PythonOperator(task_id='task', python_callable=print, op_kwargs={'wanted': wanted}, dag=dag)
print('version', SerializedDagModel(dag).dag_hash)
'''


def versions(members):
    """The versions that some processes take a DAG for which has a set of these members."""
    found = set()
    for seed in ('1', '2', '3'):
        command = [sys.executable, '-c', PROGRAM, repr(set(members))]
        said = subprocess.check_output(command, env=dict(os.environ, PYTHONHASHSEED=seed), stderr=subprocess.DEVNULL)
        found |= {line for line in said.decode().splitlines() if line.startswith('version')}
    return found


def test_a_set_makes_no_new_version():
    assert len(versions('abcdefghij')) == 1, 'the DAG is written again and again'


def test_a_set_of_several_kinds_can_be_read_as_well():
    assert len(versions([1, 'one', None, (2,)])) == 1
