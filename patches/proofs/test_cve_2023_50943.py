"""CVE-2023-50943: with pickling disabled, what somebody wrote to the XCom table is never unpickled."""
import datetime
import itertools
import json
import pickle

import pytest

DAYS = (datetime.datetime(2021, 1, 1) + datetime.timedelta(days=n) for n in itertools.count())


class MakesAFile:
    """Unpickling it makes a file: what an attacker would have a worker do."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.fixture(autouse=True)
def pickling_is_disabled(monkeypatch):
    monkeypatch.setenv('AIRFLOW__CORE__ENABLE_XCOM_PICKLING', 'False')


@pytest.fixture(name='task_instance')
def fixture_task_instance():
    from airflow.models import DAG, TaskInstance
    from airflow.utils import timezone

    try:
        from airflow.operators.dummy import DummyOperator
    except ImportError:
        from airflow.operators.dummy_operator import DummyOperator

    date = timezone.make_aware(next(DAYS))
    with DAG('xcoms', start_date=timezone.make_aware(datetime.datetime(2021, 1, 1))):
        task = DummyOperator(task_id='pushes')
    return TaskInstance(task, date)


def store(task_instance, stored, key='return_value'):
    """Writes a row as somebody does who has the database, but not the workers."""
    from airflow.models.xcom import XCom
    from airflow.settings import Session

    session = Session()
    session.execute(
        XCom.__table__.insert().values(
            key=key,
            value=stored,
            timestamp=task_instance.execution_date,
            execution_date=task_instance.execution_date,
            task_id=task_instance.task_id,
            dag_id=task_instance.dag_id,
        )
    )
    session.commit()


def listed(task_instance):
    """The values that the list of XComs in the webserver shows for a task instance."""
    from airflow.models.xcom import XCom
    from airflow.settings import Session

    session = Session()
    session.expunge_all()
    rows = session.query(XCom).filter(XCom.execution_date == task_instance.execution_date)
    return [row.value for row in rows.order_by(XCom.key)]


def test_a_task_that_pulls_a_pickled_value_gets_an_error_and_runs_nothing(task_instance, tmp_path):
    marker = tmp_path / 'marker'
    store(task_instance, pickle.dumps(MakesAFile(str(marker))))
    failure = None

    try:
        task_instance.xcom_pull(task_ids='pushes')
    except Exception as error:  # pylint: disable=broad-except
        failure = error

    assert not marker.exists(), 'pulling an XCom unpickled what somebody wrote to the table'
    assert isinstance(failure, ValueError), 'a pickled value was taken for JSON'


def test_a_list_of_xcoms_shows_a_pickled_value_unread_beside_the_others(task_instance, tmp_path):
    marker = tmp_path / 'marker'
    pickled = pickle.dumps(MakesAFile(str(marker)))
    store(task_instance, json.dumps('plain').encode(), key='first')
    store(task_instance, pickled, key='second')
    failure, values = None, []

    try:
        values = listed(task_instance)
    except Exception as error:  # pylint: disable=broad-except
        failure = error

    assert not marker.exists(), 'listing XComs unpickled what somebody wrote to the table'
    assert failure is None
    assert values == ['plain', pickled]


@pytest.mark.parametrize('value', ['text', 'größer', 42, None, [1, {'a': 'b'}]])
def test_values_are_still_pushed_pulled_and_listed_as_json(task_instance, value):
    task_instance.xcom_push('return_value', value)

    assert task_instance.xcom_pull(task_ids='pushes') == value
    assert listed(task_instance) == [value]


def test_where_pickling_is_enabled_values_are_still_pickled(task_instance, monkeypatch):
    monkeypatch.setenv('AIRFLOW__CORE__ENABLE_XCOM_PICKLING', 'True')
    value = {datetime.date(2021, 1, 1): {1, 2}}

    task_instance.xcom_push('return_value', value)

    assert task_instance.xcom_pull(task_ids='pushes') == value
    assert listed(task_instance) == [value]
