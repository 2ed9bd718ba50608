"""apache/airflow#16719: SLAs are checked also where some tasks of a DAG have none."""
import datetime
import logging

import pytest
import scheduling


def missed(**slas):
    """Of which tasks a missed SLA is noted, where each has ended long ago and not begun again; an error, if that ends it."""
    from airflow.jobs.scheduler_job import DagFileProcessor
    from airflow.models import DAG, DagRun, SlaMiss, TaskInstance
    from airflow.operators.dummy import DummyOperator
    from airflow.utils import timezone

    now = timezone.utcnow()
    start = timezone.datetime(now.year, now.month, now.day) - datetime.timedelta(days=3)
    dag = DAG('own', start_date=start, schedule_interval='@daily')
    for task_id, sla in slas.items():
        DummyOperator(task_id=task_id, dag=dag, sla=sla)
    with scheduling.session() as session:
        for model in (DagRun, TaskInstance, SlaMiss):
            session.query(model).delete()
    dag.create_dagrun(run_id='scheduled__1', execution_date=start, state='success')
    scheduling.change('own', state='success')
    try:
        with scheduling.session() as session:
            DagFileProcessor(dag_ids=[], log=logging.getLogger('proof')).manage_slas(dag=dag, session=session)
    except TypeError as error:
        return error
    with scheduling.session() as session:
        return {miss.task_id for miss in session.query(SlaMiss)}


HOUR = datetime.timedelta(hours=1)


@pytest.mark.parametrize('slas', [{'a': None, 'b': HOUR}, {'b': HOUR, 'c': None}, {'a': None, 'b': HOUR, 'c': None}])
def test_the_others_are_checked(slas):
    assert missed(**slas) == {'b'}, 'nobody is told of the SLA that was missed'


def test_all_are_checked_as_ever():
    assert missed(a=HOUR, b=datetime.timedelta(days=99)) == {'a'}


def test_what_is_no_duration_is_refused_as_ever():
    assert isinstance(missed(a=HOUR, b='soon'), TypeError)
