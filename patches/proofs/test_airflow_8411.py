"""apache/airflow#8411: a webserver that reads DAGs from the database triggers one of which it has no file."""
import os

import pytest
import ui

CODE = '''
from datetime import datetime
from airflow import DAG
from airflow.operators.dummy_operator import DummyOperator

dag = DAG('trigger_me', start_date=datetime(2021, 6, 1), schedule_interval=None)
for task_id in ('a', 'b'):
    DummyOperator(task_id=task_id, dag=dag)
'''


@pytest.fixture(autouse=True)
def fixture_dag(monkeypatch):
    """A DAG as the scheduler writes it to the database; a webserver that reads it from there."""
    from airflow import settings
    from airflow.models import DagBag
    from airflow.models.serialized_dag import SerializedDagModel

    for name in ui.UIS:
        # An error is a page, as from a webserver
        monkeypatch.setitem(ui.app_of(name).config, 'PROPAGATE_EXCEPTIONS', False)
    monkeypatch.setattr(settings, 'STORE_SERIALIZED_DAGS', True)
    path = os.path.join(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], 'of_the_scheduler.py')
    with open(path, 'w') as file:
        file.write(CODE)
    dag = DagBag(path, include_examples=False).get_dag('trigger_me')
    dag.sync_to_db()
    SerializedDagModel.write_dag(dag)
    yield path
    if os.path.exists(path):
        os.remove(path)


def triggered(interface):
    """The tasks of the run that is there when somebody has pressed the button."""
    from airflow.models import DagRun, TaskInstance

    with ui._session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).filter(model.dag_id == 'trigger_me').delete()
    answer = ui.client_of(interface).post(ui.url_of(interface, 'trigger'), data={'dag_id': 'trigger_me', 'conf': '{}'})
    with ui._session() as session:
        runs = session.query(DagRun).filter(DagRun.dag_id == 'trigger_me').count()
        tasks = [ti.task_id for ti in session.query(TaskInstance).filter(TaskInstance.dag_id == 'trigger_me')]
    assert answer.status_code == 302 and runs == 1, 'the button ends in an error'
    return sorted(tasks)


@pytest.mark.parametrize('interface', ui.UIS)
def test_a_dag_without_a_file_is_triggered(interface, fixture_dag):
    os.remove(fixture_dag)
    assert triggered(interface) == ['a', 'b']


@pytest.mark.parametrize('interface', ui.UIS)
def test_a_dag_with_a_file_is_triggered_as_the_file_has_it(interface, fixture_dag):
    with open(fixture_dag, 'a') as file:
        file.write("\nDummyOperator(task_id='c', dag=dag)\n")
    assert triggered(interface) == ['a', 'b', 'c']
