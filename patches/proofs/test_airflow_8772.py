"""apache/airflow#8772: what was set to None is None, also where a DAG is read from the database."""
import datetime
import json

import pytest


def read(tmp_path, schedule='None', words=''):
    """A DAG with a task as the database has it."""
    from airflow.models import DagBag
    from airflow.serialization.serialized_objects import SerializedDAG

    file = tmp_path / 'own.py'
    file.write_text(
        'from datetime import datetime, timedelta\nfrom airflow import DAG\n'
        'from airflow.operators.dummy_operator import DummyOperator\n'
        'dag = DAG("own", start_date=datetime(2021, 6, 1), schedule_interval={})\n'
        'DummyOperator(task_id="task", dag=dag{})\n'.format(schedule, words)
    )
    dag = DagBag(dag_folder=str(file), include_examples=False).dags['own']
    return SerializedDAG.from_dict(json.loads(json.dumps(SerializedDAG.to_dict(dag))))


def test_a_dag_without_a_schedule_has_none(tmp_path):
    assert read(tmp_path).schedule_interval is None, 'it is shown as one that runs each day'


@pytest.mark.parametrize('name', ['email_on_failure', 'email_on_retry'])
def test_a_task_that_says_none_has_none(tmp_path, name):
    task = read(tmp_path, words=', {}=None'.format(name)).get_task('task')
    assert getattr(task, name) is None, 'it is shown as one that sends mails'


@pytest.mark.parametrize('schedule', ["'@daily'", "'1 2 * * *'", 'timedelta(hours=2)', 'timedelta(days=1)'])
def test_another_schedule_is_what_it_was(tmp_path, schedule):
    assert read(tmp_path, schedule).schedule_interval == eval(schedule, {'timedelta': datetime.timedelta})


@pytest.mark.parametrize('words', ['', ', retries=None', ', queue=None', ', pool=None, execution_timeout=None'])
def test_other_options_can_be_stored_whatever_they_are(tmp_path, words):
    task = read(tmp_path, words=words).get_task('task')
    assert (task.email_on_failure, task.retries, task.execution_timeout) == (True, 0, None)
