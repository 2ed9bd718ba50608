"""apache/airflow#18338: a task with wait_for_downstream waits for the run before, also where the task before it ends."""
import datetime

import pytest
import scheduling

BEFORE = scheduling.DAY - datetime.timedelta(days=1)


@pytest.mark.parametrize('left, state', [('running', None), ('success', None)])
def test_a_task_waits_for_what_follows_it_in_the_run_before(left, state):
    """The scheduler is who starts it."""
    dag = chain(wait_for_downstream=True)
    runs(dag, left)
    ended(dag, 'first')
    assert state_of('second') is state

    found = scheduled(dag)
    assert found == (['second'] if left == 'success' else [])


def test_a_task_that_waits_for_nothing_starts_at_once():
    dag = chain()
    runs(dag, 'running')
    ended(dag, 'first')
    assert state_of('second') == 'scheduled'


def chain(**options):
    """Three tasks, one after the other; the options are those of the second."""
    from airflow.models import DAG
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.operators.bash import BashOperator
    from airflow.utils import timezone

    dag = DAG('chain', start_date=timezone.datetime(2021, 6, 1), schedule_interval='@daily')
    first, second, third = (
        BashOperator(task_id=name, bash_command='true', dag=dag, **(options if name == 'second' else {}))
        for name in ('first', 'second', 'third')
    )
    first >> second >> third
    dag.sync_to_db()
    SerializedDagModel.write_dag(dag)
    return dag


def runs(dag, left):
    """The run before, whose last task is in that state, and a run of today."""
    from airflow.models import DagRun, TaskInstance

    with scheduling.session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).filter(model.dag_id == 'chain').delete()
    for day in (BEFORE, scheduling.DAY):
        dag.create_dagrun(run_id='scheduled__' + day.isoformat(), execution_date=day, state='running')
    with scheduling.session() as session:
        for ti in session.query(TaskInstance).filter_by(dag_id='chain', execution_date=BEFORE):
            ti.state = left if ti.task_id == 'third' else 'success'


def ended(dag, task_id):
    """A task of today ends, and what may follow it is looked for."""
    from airflow.models import TaskInstance

    ti = TaskInstance(dag.get_task(task_id), scheduling.DAY)
    ti.refresh_from_db()
    ti.set_state('success')
    ti._run_mini_scheduler_on_child_tasks()


def state_of(task_id):
    from airflow.models import TaskInstance

    with scheduling.session() as session:
        return (
            session.query(TaskInstance)
            .filter_by(dag_id='chain', task_id=task_id, execution_date=scheduling.DAY)
            .one()
            .state
        )


def scheduled(dag):
    """The tasks of today that the scheduler would start."""
    from airflow.models import DagRun

    with scheduling.session() as session:
        run = session.query(DagRun).filter_by(dag_id='chain', execution_date=scheduling.DAY).one()
        run.dag = dag
        return [ti.task_id for ti in run.task_instance_scheduling_decisions(session).schedulable_tis]
