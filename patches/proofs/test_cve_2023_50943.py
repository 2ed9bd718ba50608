"""CVE-2023-50943: with pickling disabled, what somebody wrote to the XCom table is never unpickled."""
import datetime
import itertools
import json
import pickle

import people
import pytest
import ui

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
    assert values == ['plain', repr(pickled)]


def test_getting_one_xcom_that_is_pickled_is_an_error_and_runs_nothing(task_instance, tmp_path):
    from airflow.models import XCom

    marker = tmp_path / 'marker'
    store(task_instance, pickle.dumps(MakesAFile(str(marker))))
    failure = None

    try:
        XCom.get_one(execution_date=task_instance.execution_date, key='return_value', task_id='pushes', dag_id='xcoms')
    except Exception as error:  # pylint: disable=broad-except
        failure = error

    assert not marker.exists(), 'getting an XCom unpickled what somebody wrote to the table'
    assert isinstance(failure, ValueError), 'a pickled value was taken for what a task pushed'


def test_getting_many_xcoms_runs_nothing_and_gives_no_pickles(task_instance, tmp_path):
    from airflow.models import XCom

    marker = tmp_path / 'marker'
    store(task_instance, pickle.dumps(MakesAFile(str(marker))))

    values = [row.value for row in XCom.get_many(execution_date=task_instance.execution_date, dag_ids='xcoms')]

    assert not marker.exists(), 'getting XComs unpickled what somebody wrote to the table'
    assert [type(value) for value in values] == [str], 'a pickle is given to who may load it'


@pytest.mark.skipif(not ui.IS_1, reason='2.x lets nobody ask the api behind the list')
def test_the_api_behind_the_list_of_xcoms_answers_beside_a_pickled_value(task_instance, tmp_path):
    marker = tmp_path / 'marker'
    store(task_instance, json.dumps('what a task pushed').encode(), key='first')
    store(task_instance, pickle.dumps(MakesAFile(str(marker))), key='second')

    try:
        response = ui.client_of(ui.RBAC).get('/xcom/api/read')
    except TypeError as error:
        response = None
        print(error)

    assert not marker.exists(), 'the api unpickled what somebody wrote to the table'
    assert response is not None and response.status_code == 200, 'one pickled value hides all XComs'
    assert 'what a task pushed' in response.get_data(as_text=True)


@pytest.mark.skipif(ui.IS_1, reason='1.10 has no REST API')
def test_the_rest_api_shows_a_pickled_value_as_text(task_instance, tmp_path):
    marker = tmp_path / 'marker'
    ui.reset_runs()
    task_instance.dag_id, task_instance.task_id, task_instance.execution_date = 'own', 'task', ui.RUN_DATE
    store(task_instance, pickle.dumps(MakesAFile(str(marker))), key='pickled')
    store(task_instance, json.dumps('what a task pushed').encode(), key='plain')
    path = '/dags/own/dagRuns/manual__of the proof/taskInstances/task/xcomEntries'

    pickled, plain = (people.api('admin', 'GET', '{}/{}'.format(path, key)) for key in ('pickled', 'plain'))

    assert not marker.exists(), 'the REST API unpickled what somebody wrote to the table'
    assert pickled.status_code == 200, 'a pickled value is an error of the server'
    # 2.0.0 tells no values at all.
    assert plain.json.get('value', 'what a task pushed') == 'what a task pushed'
    assert people.api('admin', 'GET', path).json['total_entries'] == 2


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
