"""apache/airflow#25532: who makes the tasks of a run goes on when another has just made some of them."""
import datetime

import pytest
import scheduling
from sqlalchemy import event


@pytest.mark.parametrize('meanwhile', [[], ['b'], ['a', 'b', 'c']])
def test_the_tasks_of_a_run_are_there_once(meanwhile):
    from airflow.models import DAG, DagRun, TaskInstance
    from airflow.operators.dummy_operator import DummyOperator
    from sqlalchemy.exc import SQLAlchemyError

    dag = DAG('own', start_date=datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc), schedule_interval=None)
    tasks = {name: DummyOperator(task_id=name, dag=dag) for name in 'abc'}
    with scheduling.session() as session:
        for model in (DagRun, TaskInstance):
            session.query(model).delete()
        session.add(
            DagRun(
                dag_id='own', run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True,
                **({'run_type': 'manual'} if hasattr(DagRun, 'run_type') else {})
            )
        )
    left = list(meanwhile)

    def make(mapper, connection, target):
        """A scheduler makes some right before we do, and what it has made is there for good."""
        while left:
            ti = TaskInstance(tasks[left.pop()], scheduling.DAY)
            names = ('task_id', 'dag_id', 'execution_date', 'pool', 'max_tries')
            made.append({name: getattr(ti, name) for name in names})
            connection.execute(TaskInstance.__table__.insert().values(**made[-1]))

    made, error = [], None
    event.listen(TaskInstance, 'before_insert', make)
    with scheduling.session() as session:
        run = session.query(DagRun).filter_by(dag_id='own').one()
        run.dag = dag
        try:
            run.verify_integrity(session=session)
        except SQLAlchemyError as caught:
            error = caught
            session.rollback()
        finally:
            event.remove(TaskInstance, 'before_insert', make)
    assert error is None

    # What the scheduler made went with our transaction, as both have one here.
    with scheduling.session() as session:
        for row in made:
            session.execute(TaskInstance.__table__.insert().values(**row))
    with scheduling.session() as session:
        run = session.query(DagRun).filter_by(dag_id='own').one()
        run.dag = dag
        run.verify_integrity(session=session)
    with scheduling.session() as session:
        assert sorted(ti.task_id for ti in session.query(TaskInstance)) == ['a', 'b', 'c']
