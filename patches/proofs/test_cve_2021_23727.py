"""CVE-2021-23727: who writes a result to Celery's result backend has no code run on the scheduler, which reads it."""
import json
import os

import pytest

RESULTS = os.path.join(os.environ['AIRFLOW_HOME'], 'results')
# A key-value store as Redis is one, but each key is a file. Read when the executor is imported.
os.environ['AIRFLOW__CELERY__RESULT_BACKEND'] = 'file://' + RESULTS

from airflow.executors.celery_executor import AirflowException, app  # noqa: E402


@pytest.fixture(name='results', autouse=True)
def fixture_results():
    os.makedirs(RESULTS, exist_ok=True)


@pytest.fixture(name='write')
def fixture_write():
    """Writes the result of a task, as somebody with access to the store can."""

    def write(task_id, result):
        meta = {'status': 'FAILURE', 'result': result, 'traceback': None, 'children': [], 'task_id': task_id}
        with open(os.path.join(RESULTS, 'celery-task-meta-' + task_id), 'w') as file:
            json.dump(meta, file)

    return write


def state(task_id):
    """What the scheduler learns of a task, or with what it fails to."""
    try:
        return app.AsyncResult(task_id).state
    except Exception as error:  # as the scheduler, which must not stop for one task
        return error


@pytest.mark.parametrize('message', ['touch {}', ['touch {}']], ids=['text', 'list'])
@pytest.mark.parametrize('module', ['os', 'posix'])
def test_a_result_runs_no_command(write, tmp_path, module, message):
    trace = tmp_path / 'trace'
    words = [item.format(trace) for item in message] if isinstance(message, list) else message.format(trace)
    write('hostile', {'exc_module': module, 'exc_type': 'system', 'exc_message': words})

    assert state('hostile') == 'FAILURE'
    assert not trace.exists(), 'whoever writes a result runs commands'


def test_a_result_makes_no_object_of_another_class(write, tmp_path):
    trace = tmp_path / 'trace'
    write('hostile', {'exc_module': 'logging', 'exc_type': 'FileHandler', 'exc_message': [str(trace)]})

    assert state('hostile') == 'FAILURE'
    assert not trace.exists(), 'whoever writes a result has objects of any class made'


def test_one_hostile_result_does_not_hide_the_state_of_other_tasks(write):
    write('hostile', {'exc_module': 'os', 'exc_type': 'getpid', 'exc_message': []})
    app.backend.mark_as_done('good', None)

    assert [state(name) for name in ('hostile', 'good')] == ['FAILURE', 'SUCCESS']


@pytest.mark.parametrize(
    'error', [ValueError('wrong', 7), KeyError('gone'), AirflowException('failed')], ids=repr
)
def test_a_task_that_failed_still_says_with_what(error):
    app.backend.mark_as_failure('failed', error)

    result = app.AsyncResult('failed').result

    assert type(result) is type(error)
    assert result.args == error.args


def test_an_exception_that_this_machine_does_not_know_still_has_its_name(write):
    write('foreign', {'exc_module': 'not.here', 'exc_type': 'TheirError', 'exc_message': ['words']})

    result = app.AsyncResult('foreign').result

    assert type(result).__name__ == 'TheirError'
    assert result.args == ('words',)
