"""apache/airflow#8225: runs are scheduled by the schedule that a DAG has, also when it was set later or read back."""
import datetime

import pytest

SIX = ('0 6 * * *', datetime.datetime(2021, 6, 2, 6))
SCHEDULES = [
    SIX,
    ('@hourly', datetime.datetime(2021, 6, 2, 1)),
    ('@daily', datetime.datetime(2021, 6, 3)),
    (datetime.timedelta(hours=2), datetime.datetime(2021, 6, 2, 2)),
]


def dag_of(**kwargs):
    from airflow import DAG
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.utils import timezone

    dag = DAG('own', start_date=timezone.datetime(2021, 6, 1), **kwargs)
    DummyOperator(task_id='task', dag=dag)
    return dag


def following(dag):
    from airflow.utils import timezone

    return timezone.make_naive(dag.following_schedule(timezone.datetime(2021, 6, 2)), timezone.utc)


def read_back(dag):
    """The DAG as a webserver reads it from the database."""
    from airflow.serialization.serialized_objects import SerializedDAG

    return SerializedDAG.from_dict(SerializedDAG.to_dict(dag))


@pytest.mark.parametrize('schedule, follows', SCHEDULES, ids=str)
def test_a_schedule_that_is_set_later_counts(schedule, follows):
    dag = dag_of(schedule_interval='@yearly')
    dag.schedule_interval = schedule
    assert following(dag) == follows, 'the DAG is scheduled by another schedule than it has'


@pytest.mark.parametrize('schedule, follows', SCHEDULES, ids=str)
def test_a_dag_that_is_read_back_has_its_schedule(schedule, follows):
    assert following(read_back(dag_of(schedule_interval=schedule))) == follows, 'it has another schedule'


@pytest.mark.parametrize('schedule, follows', SCHEDULES, ids=str)
def test_a_schedule_that_a_dag_is_made_with_counts(schedule, follows):
    dag = dag_of(schedule_interval=schedule)
    assert following(dag) == follows
    second = dag.following_schedule(dag.following_schedule(dag.start_date))
    assert dag.previous_schedule(second) == dag.following_schedule(dag.start_date)


@pytest.mark.parametrize('schedule', [None, '@once'])
def test_a_dag_without_schedule_has_none(schedule):
    dag = dag_of(schedule_interval=schedule)
    assert dag.following_schedule(dag.start_date) is None
    assert dag.task_dict['task'].schedule_interval is None


def test_a_dag_that_runs_once_does_so_when_it_is_read_back():
    dag = read_back(dag_of(schedule_interval='@once'))
    assert dag.following_schedule(dag.start_date) is None, 'it runs each day'


def test_a_task_has_the_schedule_of_its_dag():
    dag = dag_of(schedule_interval='@daily')
    assert dag.get_task('task').schedule_interval == '0 0 * * *'
