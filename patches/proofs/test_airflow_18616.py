"""apache/airflow#18616: a task runs although MySQL has found a deadlock of its rendered fields with those of others."""
import datetime
import importlib
import sqlite3

import pytest
import scheduling
from conftest import DATABASE


@pytest.fixture(name='refused', autouse=True)
def fixture_refused(monkeypatch):
    """How often the database refuses a statement that begins with these words; at first never."""
    from airflow import settings
    from sqlalchemy import event
    from sqlalchemy.exc import OperationalError

    refused = {}

    def execute(connection, cursor, statement, parameters, context, many):
        for words in [words for words, times in refused.items() if times and statement.startswith(words)]:
            refused[words] -= 1
            raise OperationalError(statement, parameters, Exception(1213, 'Deadlock found when trying to get lock'))

    monkeypatch.setattr('time.sleep', lambda seconds: None)
    monkeypatch.setattr(importlib.import_module('airflow.models.taskinstance'), 'STORE_SERIALIZED_DAGS', True, raising=False)
    event.listen(settings.engine, 'before_cursor_execute', execute)
    yield refused
    event.remove(settings.engine, 'before_cursor_execute', execute)


@pytest.fixture(name='run')
def fixture_run():
    """Runs the task, which remembers what others see of its fields meanwhile, and says in which state it ends."""
    from airflow.models import DAG, DagRun, TaskInstance
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.operators.python_operator import PythonOperator

    def look(**context):
        with sqlite3.connect(DATABASE) as others:
            seen.extend(others.execute('SELECT rendered_fields FROM rendered_task_instance_fields'))

    seen = []
    dag = DAG('own', start_date=datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc), schedule_interval=None)
    task = PythonOperator(task_id='task', python_callable=look, op_args=[], dag=dag)
    with scheduling.session() as session:
        for model in (TaskInstance, DagRun, RenderedTaskInstanceFields):
            session.query(model).delete()
    dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True)

    def run():
        ti = TaskInstance(task, scheduling.DAY)
        try:
            ti.run(ignore_all_deps=True)
        except Exception:  # pylint: disable=broad-except
            pass
        return scheduling.task_of('own').state

    run.seen = seen
    return run


DELETE, INSERT = 'DELETE FROM rendered_task_instance_fields', 'INSERT INTO rendered_task_instance_fields'


@pytest.mark.parametrize('words', [DELETE, INSERT])
@pytest.mark.parametrize('times', [1, 2])
def test_a_task_runs_although_there_were_deadlocks(run, refused, words, times):
    refused[words] = times
    assert run() == 'success', 'a deadlock has ended the task'
    assert refused[words] == 0


def test_others_see_the_fields_while_the_task_runs(run):
    assert run() == 'success'
    assert len(run.seen) == 1, 'the task locks the table until it has ended'


def test_a_task_without_deadlock_runs(run):
    assert run() == 'success'


def test_a_task_fails_without_its_database(run, refused):
    refused[INSERT] = 100
    assert run() == 'failed'
