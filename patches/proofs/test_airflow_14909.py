"""apache/airflow#14909: a DAG that has not changed is the same in every process that reads it."""
import os
import subprocess
import sys

import pytest

# For each DAG, what is asked for: the params of its first task, and the tasks after it.
DAGS = {
    'tasks': (set(), 'a b c d e f'),
    'set': (set('abcdefghij'), 'next'),
    'several kinds': ({1, 'one', None, (2,)}, 'next'),
    'one': ({'a'}, 'next'),
    'another': ({'b'}, 'next'),
}
PROGRAM = '''
import datetime, sys
from airflow.models import DAG
from airflow.models.serialized_dag import SerializedDagModel
from airflow.operators.dummy_operator import DummyOperator
for title, (wanted, after) in eval(sys.argv[1]).items():
    dag = DAG('own', start_date=datetime.datetime(2021, 6, 1), schedule_interval=None)
    first = DummyOperator(task_id='first', params={'wanted': wanted}, dag=dag)
    first >> [DummyOperator(task_id=name, dag=dag) for name in after.split()]
    print('version', SerializedDagModel(dag).dag_hash, title)
'''


@pytest.fixture(name='versions', scope='module')
def fixture_versions():
    """The versions that two processes take each of the DAGs for, which have their sets in other orders."""
    found = {title: set() for title in DAGS}
    commands = [
        subprocess.Popen(
            [sys.executable, '-c', PROGRAM, repr(DAGS)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=dict(os.environ, PYTHONHASHSEED=seed),
        )
        for seed in ('1', '2')
    ]  # fmt: skip
    for command in commands:
        for line in command.communicate()[0].decode().splitlines():
            if line.startswith('version '):
                _, version, title = line.split(' ', 2)
                found[title].add(version)
    return found


@pytest.mark.parametrize('title', ['tasks', 'set', 'several kinds'])
def test_a_dag_is_the_same_in_each_process(versions, title):
    assert len(versions[title]) == 1, 'the DAG is written again and again'


def test_a_dag_that_has_changed_is_a_new_version(versions):
    assert versions['one'] and versions['another']
    assert versions['one'].isdisjoint(versions['another'])
