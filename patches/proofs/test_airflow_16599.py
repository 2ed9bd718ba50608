"""apache/airflow#16599: a DAG has a schedule also where its start date is of datetime.timezone.utc."""
import datetime

import pytest

DAY = datetime.timedelta(days=1)


def following(zone, schedule):
    """When the run after the first is, or why nobody can say."""
    from airflow.models import DAG
    from airflow.utils import timezone

    start = datetime.datetime(2021, 6, 1, tzinfo=zone)
    try:
        dag = DAG('own', start_date=start, schedule_interval=schedule)
        return dag.following_schedule(timezone.convert_to_utc(start)) - start
    except AttributeError as error:
        return error


@pytest.mark.parametrize('schedule', ['@daily', '0 0 * * *', DAY])
def test_the_next_run_is_known(schedule):
    assert following(datetime.timezone.utc, schedule) == DAY, 'the DAG cannot be scheduled'


def test_a_dag_in_a_default_argument_is_no_other():
    from airflow.models import DAG

    start = datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc)
    dag = DAG('own', default_args={'start_date': start}, schedule_interval='@daily')
    assert getattr(dag.timezone, 'name', None) == 'UTC', 'the DAG cannot be scheduled'


@pytest.mark.parametrize('name', ['UTC', 'Europe/Amsterdam'])
def test_other_timezones_are_as_ever(name):
    import pendulum
    from airflow.models import DAG

    start = datetime.datetime(2021, 6, 1, tzinfo=pendulum.timezone(name))
    assert DAG('own', start_date=start, schedule_interval='@daily').timezone.name == name
