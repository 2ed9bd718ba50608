"""apache/airflow#16343: a run of a paused DAG ends with its tasks, in 1.10 when the file of the DAG is read."""
import os

import pytest
import scheduling

DAG = '''
import datetime
from airflow import DAG
from airflow.operators.dummy_operator import DummyOperator

def ended(context):
    with open({told!r}, 'a') as file:
        print(context['reason'], file=file)

dag = DAG('paused', start_date=datetime.datetime(2021, 6, 1), schedule_interval=None,
          on_success_callback=ended, on_failure_callback=ended)
for name in {tasks!r}:
    DummyOperator(task_id=name, dag=dag)
'''


def paused(state, tasks='ab', **values):
    """A run of a paused DAG whose two tasks are in those states, after its file was read; and its callbacks."""
    from airflow.jobs import SchedulerJob
    from airflow.models import DagModel, DagRun, TaskInstance
    from airflow.utils.log.logging_mixin import LoggingMixin

    dag = scheduling.stored('paused', tasks=('a', 'b'))
    with scheduling.session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).filter(model.dag_id == 'paused').delete()
    dag.create_dagrun(run_id=values.pop('run_id', 'manual__1'), execution_date=scheduling.DAY, state='running')
    with scheduling.session() as session:
        session.query(DagModel).filter_by(dag_id='paused').one().is_paused = True
        for ti in session.query(TaskInstance).filter_by(dag_id='paused'):
            ti.state = state[ti.task_id]
    folder = os.environ['AIRFLOW__CORE__DAGS_FOLDER']
    path, told = os.path.join(folder, 'paused.py'), os.path.join(folder, 'told')
    os.makedirs(folder, exist_ok=True)
    open(told, 'w').close()
    with open(path, 'w') as file:
        file.write(DAG.format(tasks=tasks, told=told))
    SchedulerJob(dag_ids=[], log=LoggingMixin().log).process_file(path, [])
    os.remove(path)
    with scheduling.session() as session:
        states = {ti.task_id: ti.state for ti in session.query(TaskInstance).filter_by(dag_id='paused')}
        assert states == state, 'no task is changed, and none is scheduled'
        with open(told) as file:
            return session.query(DagRun).filter_by(dag_id='paused').one().state, file.read().split()


@pytest.mark.parametrize(
    'a, b, run, told',
    [
        ('success', 'success', 'success', 'success'),
        ('success', 'failed', 'failed', 'task_failure'),
        ('success', 'skipped', 'success', 'success'),
    ],
)
def test_a_run_ends_with_its_tasks(a, b, run, told):
    assert paused({'a': a, 'b': b}) == (run, [told]), 'it runs for ever'


@pytest.mark.parametrize('b', ['running', 'queued', 'scheduled', 'up_for_retry', None])
def test_a_run_goes_on_with_its_tasks(b):
    assert paused({'a': 'success', 'b': b}) == ('running', [])


def test_a_backfill_sees_to_its_runs_itself():
    assert paused({'a': 'success', 'b': 'success'}, run_id='backfill_1') == ('running', [])


def test_a_run_whose_task_is_gone_waits_until_the_dag_goes_on():
    assert paused({'a': 'success', 'b': 'success'}, tasks='a') == ('running', [])
