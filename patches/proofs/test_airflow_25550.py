"""apache/airflow#25550: a task whose job has ended without a word is ended, also where its DAG cannot be imported."""
import importlib.util
import os
import shutil

import pytest
import scheduling

# There, who reads a file is told of zombies alone, and not of what an executor says.
IS_1 = importlib.util.find_spec('airflow.www_rbac') is not None

DAG = '''
import datetime
from airflow import DAG
from airflow.operators.dummy_operator import DummyOperator
dag = DAG('own', start_date=datetime.datetime(2021, 6, 1), schedule_interval=None)
DummyOperator(task_id={!r}, dag=dag, retries=1)
'''


PATH = os.path.join(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], 'own.py')


def write(text):
    os.makedirs(os.path.dirname(PATH), exist_ok=True)
    with open(PATH, 'w') as file:
        file.write(text)


def processed(text, **kwargs):
    """The task of `own` after its file, with that text, was read by who was told of a zombie."""
    from airflow.utils.log.logging_mixin import LoggingMixin

    write(text)
    log = LoggingMixin().log
    if IS_1:
        from airflow.jobs import SchedulerJob
        from airflow.utils.dag_processing import SimpleTaskInstance

        # 1.10 does not look at each file for itself: all are told of all zombies.
        other = os.path.join(os.path.dirname(PATH), 'other.py')
        shutil.copy(PATH, other)
        zombies = [SimpleTaskInstance(scheduling.task_of('own'))]
        job = SchedulerJob(dag_ids=[], log=log)
        if 'import nothing' in text:
            job.process_file(other, zombies)
            assert scheduling.task_of('own').state == zombies[0].state, 'it is ended by who reads another file'
        os.remove(other)
        job.process_file(PATH, zombies)
        return scheduling.task_of('own')

    from airflow.jobs.scheduler_job import DagFileProcessor
    from airflow.models.taskinstance import SimpleTaskInstance
    from airflow.utils.callback_requests import TaskCallbackRequest

    request = TaskCallbackRequest(
        full_filepath=PATH, simple_task_instance=SimpleTaskInstance(scheduling.task_of('own')), msg='Detected as zombie',
        **kwargs
    )  # fmt: skip
    DagFileProcessor(dag_ids=[], log=log).process_file(PATH, [request])
    return scheduling.task_of('own')


@pytest.fixture(autouse=True)
def fixture_zombie():
    """Its task is in its first try, and has one more."""
    if IS_1:
        from airflow.models import DagBag

        write(DAG.format('task'))
        dag = DagBag(PATH).get_dag('own')
        dag.sync_to_db()
    else:
        dag = scheduling.stored('own', retries=1)
    scheduling.run_of(dag, state='running', _try_number=1, max_tries=1)


BROKEN = {'it cannot be imported': 'import nothing_of_that_name', 'the task is gone': DAG.format('other')}


@pytest.mark.parametrize('text', list(BROKEN.values()), ids=list(BROKEN))
def test_a_zombie_is_ended_although_its_task_is_not_to_be_had(text):
    assert processed(text).state == 'up_for_retry', 'it is running for ever'
    scheduling.change('own', state='running', _try_number=2)
    assert processed(text).state == 'failed'


@pytest.mark.skipif(IS_1, reason='1.10 takes only tasks that run for zombies')
@pytest.mark.parametrize('text', list(BROKEN.values()), ids=list(BROKEN))
def test_a_task_that_never_starts_fails_after_its_tries(text):
    scheduling.change('own', state='queued', _try_number=0)
    assert processed(text).state == 'up_for_retry'
    scheduling.change('own', state='queued')
    assert processed(text).state == 'failed'


def test_a_zombie_whose_task_is_there_is_ended_as_ever():
    assert processed(DAG.format('task')).state == 'up_for_retry'


@pytest.mark.skipif(IS_1, reason='1.10 tells of nothing else')
def test_what_nobody_says_has_failed_is_left_alone():
    assert processed(BROKEN['it cannot be imported'], is_failure_callback=False).state == 'running'
