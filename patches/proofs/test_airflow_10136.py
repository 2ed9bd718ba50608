"""apache/airflow#10136: a DAG can be triggered although the scheduler makes the tasks of the run at the same time."""
import datetime

import pytest
import scheduling
from sqlalchemy import event


@pytest.mark.parametrize('meanwhile', [[], ['b'], ['a', 'b', 'c']])
def test_a_run_is_made_with_its_tasks(meanwhile):
    from airflow import settings
    from airflow.models import DAG, DagRun, TaskInstance
    from airflow.operators.dummy_operator import DummyOperator
    from sqlalchemy.exc import IntegrityError

    with scheduling.session() as session:
        for model in (DagRun, TaskInstance):
            session.query(model).delete()
    dag = DAG('own', start_date=datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc), schedule_interval=None)
    tasks = {name: DummyOperator(task_id=name, dag=dag) for name in 'abc'}
    left = list(meanwhile)

    def make(mapper, connection, target):
        """The scheduler makes some right before we do."""
        while left:
            ti = TaskInstance(tasks[left.pop()], scheduling.DAY)
            names = ('task_id', 'dag_id', 'execution_date', 'pool', 'max_tries')
            connection.execute(TaskInstance.__table__.insert().values(**{name: getattr(ti, name) for name in names}))
            made.append(ti)

    made = []
    event.listen(TaskInstance, 'before_insert', make)
    try:
        run = dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True)
    except IntegrityError as error:
        run = error
    finally:
        event.remove(TaskInstance, 'before_insert', make)
        settings.Session.rollback()

    assert isinstance(run, DagRun), 'who triggers the DAG gets an error'
    run.dag = dag
    run.verify_integrity()
    with scheduling.session() as session:
        assert session.query(DagRun).filter_by(dag_id='own').count() == 1
        assert sorted(ti.task_id for ti in session.query(TaskInstance)) == ['a', 'b', 'c']
