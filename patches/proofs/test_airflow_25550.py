"""apache/airflow#25550: a task whose job has ended without a word is ended, also where its DAG cannot be imported."""
import os

import pytest
import scheduling

DAG = '''
import datetime
from airflow import DAG
from airflow.operators.dummy import DummyOperator
dag = DAG('own', start_date=datetime.datetime(2021, 6, 1), schedule_interval=None)
DummyOperator(task_id={!r}, dag=dag, retries=1)
'''


def processed(text, **kwargs):
    """The task of `own` after its file, with that text, was read by who was told of a zombie."""
    from airflow.jobs.scheduler_job import DagFileProcessor
    from airflow.models.taskinstance import SimpleTaskInstance
    from airflow.utils.callback_requests import TaskCallbackRequest
    from airflow.utils.log.logging_mixin import LoggingMixin

    folder = os.environ['AIRFLOW__CORE__DAGS_FOLDER']
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, 'own.py')
    with open(path, 'w') as file:
        file.write(text)
    request = TaskCallbackRequest(
        full_filepath=path, simple_task_instance=SimpleTaskInstance(scheduling.task_of('own')), msg='Detected as zombie',
        **kwargs
    )  # fmt: skip
    DagFileProcessor(dag_ids=[], log=LoggingMixin().log).process_file(path, [request])
    return scheduling.task_of('own')


@pytest.fixture(autouse=True)
def fixture_zombie():
    """Its task is in its first try, and has one more."""
    scheduling.run_of(scheduling.stored('own', retries=1), state='running', _try_number=1, max_tries=1)


BROKEN = {'it cannot be imported': 'import nothing_of_that_name', 'the task is gone': DAG.format('other')}


@pytest.mark.parametrize('text', list(BROKEN.values()), ids=list(BROKEN))
def test_a_zombie_is_ended_although_its_task_is_not_to_be_had(text):
    assert processed(text).state == 'up_for_retry', 'it is running for ever'
    scheduling.change('own', state='running', _try_number=2)
    assert processed(text).state == 'failed'


@pytest.mark.parametrize('text', list(BROKEN.values()), ids=list(BROKEN))
def test_a_task_that_never_starts_fails_after_its_tries(text):
    scheduling.change('own', state='queued', _try_number=0)
    assert processed(text).state == 'up_for_retry'
    scheduling.change('own', state='queued')
    assert processed(text).state == 'failed'


def test_a_zombie_whose_task_is_there_is_ended_as_ever():
    assert processed(DAG.format('task')).state == 'up_for_retry'


def test_what_nobody_says_has_failed_is_left_alone():
    assert processed(BROKEN['it cannot be imported'], is_failure_callback=False).state == 'running'
