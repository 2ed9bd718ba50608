"""apache/airflow#16368: the webserver shows a DAG no more that somebody has deleted, and shows it again once it is back."""
import datetime

import pytest
import ui


@pytest.fixture(autouse=True)
def fixture_ask_each_time(monkeypatch):
    """A page asks whether the DAG has changed, whenever it was asked last."""
    from airflow import settings

    monkeypatch.setattr(settings, 'MIN_SERIALIZED_DAG_FETCH_INTERVAL', 0)


def stored(dag_id):
    """The DAG as the scheduler stores it: with a task, and in a subdag another."""
    from airflow.models import DAG
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.operators.dummy import DummyOperator
    from airflow.operators.subdag import SubDagOperator

    start = datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc)
    dag = DAG(dag_id, start_date=start, schedule_interval=None)
    inner = DAG(dag_id + '.inner', start_date=start, schedule_interval=None)
    DummyOperator(task_id='deep', dag=inner)
    DummyOperator(task_id='shallow', dag=dag)
    SubDagOperator(task_id='inner', subdag=inner, dag=dag)
    dag.sync_to_db()
    SerializedDagModel.write_dag(dag)


def deleted(dag_id):
    """Deleted by another process: this one is told nothing."""
    from airflow.api.common.experimental.delete_dag import delete_dag

    delete_dag(dag_id)


def shows(dag_id, view='tree'):
    """Whether the page of the DAG is that: for one that is not there, the browser is sent home."""
    answer = ui.client_of(ui.RBAC).get('/{}?dag_id={}'.format(view, dag_id))
    assert answer.status_code in (200, 302, 404), 'the page breaks'
    return answer.status_code == 200


@pytest.mark.parametrize('view', ['tree', 'graph', 'dag_details', 'duration'])
def test_a_deleted_dag_is_shown_no_more(view):
    stored('gone')
    assert shows('gone', view)

    deleted('gone')

    assert not shows('gone', view), 'the page of a DAG that is deleted is shown as if it were there'
    assert shows('own', view)
    stored('gone')
    assert shows('gone', view)
    deleted('gone')


def test_what_was_in_a_subdag_of_it_is_gone_with_it():
    stored('gone')
    assert shows('gone') and shows('gone.inner')

    deleted('gone')

    assert not shows('gone')
    assert not shows('gone.inner'), 'the page of a subdag whose DAG is deleted is shown as if it were there'


def test_a_dag_that_is_still_there_is_shown_again_and_again():
    assert [shows('own') for _ in range(3)] == [True] * 3
