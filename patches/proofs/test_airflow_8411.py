"""apache/airflow#8411: the button triggers a DAG on a webserver that has it in the database and no file of it."""
import importlib

import pytest
import scheduling
import ui


@pytest.fixture(name='stored')
def fixture_stored(monkeypatch):
    """The webserver reads DAGs from the database, and has a file of `other` only."""
    from airflow.models import DagBag, DagModel
    from airflow.models.serialized_dag import SerializedDagModel

    ui.app_of(ui.RBAC)
    monkeypatch.setattr(importlib.import_module('airflow.models.dag'), 'STORE_SERIALIZED_DAGS', True)
    for dag in DagBag(include_examples=False).dags.values():
        SerializedDagModel.write_dag(dag)
    with scheduling.session() as session:
        session.query(DagModel).filter_by(dag_id='own').update({'fileloc': '/nowhere/own.py'})


def triggered(name, dag_id):
    """The tasks of the run of a DAG that somebody triggers in an interface; the status of the answer if there is none."""
    from airflow.models import DagRun, TaskInstance

    with scheduling.session() as session:
        for model in (DagRun, TaskInstance):
            session.query(model).delete()
    url = '{}?dag_id={}'.format(ui.url_of(name, 'trigger'), dag_id)
    status = ui.client_of(name).post(url).status_code
    with scheduling.session() as session:
        runs = session.query(DagRun).filter_by(dag_id=dag_id, external_trigger=True).count()
        tasks = [ti.task_id for ti in session.query(TaskInstance).filter_by(dag_id=dag_id)]
    return tasks if runs else status


@pytest.mark.parametrize('name', ui.UIS)
def test_a_dag_without_file_is_triggered(stored, name):
    assert triggered(name, 'own') == ['task'], 'the button ends in an error'


@pytest.mark.parametrize('name', ui.UIS)
def test_a_dag_with_a_file_is_triggered(stored, name):
    assert triggered(name, 'other') == ['task']
