"""apache/airflow#19747: tasks are queued although many others, which may not run more, were there before them."""
import datetime

import pytest
import scheduling


@pytest.mark.parametrize('limit', [{}, {'concurrency': 1}, {'task_concurrency': 1}], ids=lambda limit: ''.join(limit))
def test_who_waits_for_a_limit_keeps_nobody_waiting(limit):
    others = dag('a', **limit)
    ours = dag('b')
    with_runs(others, 5)
    with_runs(ours, 1)
    if limit:
        begin(others)
    job = scheduling.scheduler()

    queued = {ti.dag_id for ti in look(job, 3)}

    assert queued == ({'b'} if limit else {'a'}), 'the first are looked at, and those that may run at all'
    if limit:
        begin(others, 'success')
        assert [ti.dag_id for ti in look(job, 9)].count('a') == 1, 'as many as the limit lets'


def dag(dag_id, task_concurrency=None, concurrency=16):
    """A DAG in the database."""
    from airflow.models import DAG
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.utils import timezone

    start = timezone.datetime(2021, 6, 1)
    made = DAG(dag_id, start_date=start, schedule_interval=None, concurrency=concurrency, is_paused_upon_creation=False)
    DummyOperator(task_id='task', dag=made, task_concurrency=task_concurrency)
    made.sync_to_db()
    SerializedDagModel.write_dag(made)
    return made


def with_runs(dag, count):
    """So many runs, whose tasks wait for the executor."""
    from airflow.models import DagRun, TaskInstance

    with scheduling.session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).filter(model.dag_id == dag.dag_id).delete()
    for number in range(count):
        day = scheduling.DAY + datetime.timedelta(days=number)
        dag.create_dagrun(run_id='manual__%d' % number, execution_date=day, state='running', external_trigger=True)
    with scheduling.session() as session:
        for ti in session.query(TaskInstance).filter_by(dag_id=dag.dag_id):
            ti.state = 'scheduled'


def begin(dag, state='running'):
    """The task of the first run is in that state."""
    from airflow.models import TaskInstance

    with scheduling.session() as session:
        session.query(TaskInstance).filter_by(dag_id=dag.dag_id, execution_date=scheduling.DAY).one().state = state


def look(job, count):
    """The tasks that a scheduler would queue, who looks at so many."""
    with scheduling.session() as session:
        found = job._executable_task_instances_to_queued(max_tis=count, session=session)
        session.expunge_all()
        session.rollback()
        return found
