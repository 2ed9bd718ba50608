"""apache/airflow#24906: a task whose job has ended without a word is handled once, however many schedulers see it."""
import os

import pytest
import scheduling

PATH = os.path.join(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], 'own.py')
DAG = '''
import datetime
from airflow import DAG
from airflow.operators.dummy import DummyOperator


def called(context):
    with open({!r}, 'a') as file:
        file.write('called ')


dag = DAG('own', start_date=datetime.datetime(2021, 6, 1), schedule_interval=None)
DummyOperator(task_id='task', dag=dag, retries={}, on_retry_callback=called, on_failure_callback=called)
'''


@pytest.fixture(name='zombie', params=[1, 0], ids=['a retry', 'none'])
def fixture_zombie(request, tmp_path):
    """Seen by a scheduler while it is in its first try: the state that it is to have, and what its callbacks write."""
    said = tmp_path / 'said'
    said.write_text('')
    os.makedirs(os.path.dirname(PATH), exist_ok=True)
    with open(PATH, 'w') as file:
        file.write(DAG.format(str(said), request.param))
    dag = scheduling.stored('own', retries=request.param)
    scheduling.run_of(dag, state='running', _try_number=1, max_tries=request.param)
    return 'up_for_retry' if request.param else 'failed', said


def seen():
    """What a scheduler asks of who reads the file."""
    from airflow.models.taskinstance import SimpleTaskInstance
    from airflow.utils.callback_requests import TaskCallbackRequest

    ti = scheduling.task_of('own')
    return TaskCallbackRequest(full_filepath=PATH, simple_task_instance=SimpleTaskInstance(ti), msg='Detected as zombie')


def read(request):
    from airflow.jobs.scheduler_job import DagFileProcessor
    from airflow.utils.log.logging_mixin import LoggingMixin

    DagFileProcessor(dag_ids=[], log=LoggingMixin().log).process_file(PATH, [request])
    return scheduling.task_of('own').state


def test_a_zombie_that_two_schedulers_see_is_handled_once(zombie):
    state, said = zombie
    first, second = seen(), seen()
    assert [read(first), read(second)] == [state] * 2
    assert said.read_text().split() == ['called'], 'its callback is called for each scheduler'


def test_a_task_that_runs_again_is_left_alone(zombie):
    _state, said = zombie
    request = seen()
    scheduling.change('own', state='running', _try_number=2)
    assert read(request) == 'running', 'the next try is taken for the zombie'
    assert said.read_text() == ''


def test_a_task_that_has_never_started_is_handled_as_ever(zombie):
    _state, said = zombie
    scheduling.change('own', state='queued', _try_number=0)
    assert read(seen()) != 'queued'
    assert said.read_text().split() == ['called']
