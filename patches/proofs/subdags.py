"""A DAG with two subdags, one after the other, and a task after them, for the proofs of 2.x."""
import datetime

import scheduling

BEFORE = scheduling.DAY - datetime.timedelta(days=1)


def ended(state):
    """The DAG, of whose runs on two days everything has ended in some state."""
    from airflow.models import DAG, DagRun, TaskInstance
    from airflow.operators.dummy import DummyOperator
    from airflow.operators.subdag import SubDagOperator

    dag = DAG('own', start_date=BEFORE, schedule_interval='@daily')
    last = DummyOperator(task_id='last', dag=dag)
    for name in ('second', 'first'):
        subdag = DAG('own.' + name, start_date=BEFORE, schedule_interval='@daily')
        DummyOperator(task_id='task', dag=subdag)
        operator = SubDagOperator(task_id=name, subdag=subdag, dag=dag)
        operator >> last
        last = operator
        subdag.parent_dag, subdag.is_subdag = dag, True

    with scheduling.session() as opened:
        for model in (TaskInstance, DagRun):
            opened.query(model).filter(model.dag_id.like('own%')).delete(synchronize_session=False)
    for each in [dag] + dag.subdags:
        for day in (BEFORE, scheduling.DAY):
            each.create_dagrun(run_id='manual__{}'.format(day), execution_date=day, state=state, external_trigger=True)
        scheduling.change(each.dag_id, state=state)
    return dag


def clear(dag, recursive, **kwargs):
    """Clears a DAG on one day, as on the website."""
    dag.clear(start_date=scheduling.DAY, end_date=scheduling.DAY, include_subdags=recursive, **kwargs)


def run_state(dag_id, day=scheduling.DAY):
    from airflow.models import DagRun

    with scheduling.session() as opened:
        return opened.query(DagRun).filter_by(dag_id=dag_id, execution_date=day).one().state


def task_state(dag_id, task_id):
    from airflow.models import TaskInstance

    with scheduling.session() as opened:
        found = opened.query(TaskInstance).filter_by(dag_id=dag_id, task_id=task_id, execution_date=scheduling.DAY)
        return found.one().state
