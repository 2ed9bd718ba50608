"""AC-2026-11: what somebody writes to the table of Celery's results runs nothing where the state of a task is read."""
import os
import pickle
import sqlite3

import pytest

DATABASE = os.path.join(os.environ['AIRFLOW_HOME'], 'results.db')
# Read when the executor is imported.
os.environ['AIRFLOW__CELERY__RESULT_BACKEND'] = 'db+sqlite:///' + DATABASE

from airflow.executors import celery_executor  # noqa: E402

pytestmark = pytest.mark.fresh_process
app = celery_executor.app


class Calls:
    """Unpickling it calls something."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def write(task_id, stored, status='SUCCESS'):
    """Writes a result as somebody with access to the database can."""
    app.backend.mark_as_done('first', None)  # makes the tables
    with sqlite3.connect(DATABASE) as connection:
        connection.execute('DELETE FROM celery_taskmeta WHERE task_id = ?', (task_id,))
        values = (task_id, status, stored)
        connection.execute('INSERT INTO celery_taskmeta (task_id, status, result) VALUES (?, ?, ?)', values)


def by_result(*task_ids):
    """The states of tasks, each read by itself; where that fails, the error."""
    found = {}
    for task_id in task_ids:
        try:
            found[task_id] = app.AsyncResult(task_id).state
        except Exception as error:  # pylint: disable=broad-except
            found[task_id] = error
    return found


def by_executor(*task_ids):
    """The states of tasks as the scheduler of this version reads them; where that fails, the error."""
    tasks = [app.AsyncResult(task_id) for task_id in task_ids]
    try:
        if hasattr(celery_executor, 'BulkStateFetcher'):
            found = celery_executor.BulkStateFetcher(1).get_many(tasks)
            return {task_id: state for task_id, (state, _) in found.items()}
        found = [celery_executor.fetch_celery_task_state((task.task_id, task)) for task in tasks]
        return {answer[0]: answer[1] for answer in found}
    except Exception as error:  # pylint: disable=broad-except
        return error


def hostile(path):
    """Pickles that make a file, by different ways to name what is called."""
    call = Calls(open, str(path), 'w')
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.dumps(call, protocol)
    yield pickle.dumps({'exc_type': 'KeyError', 'exc_message': [call], 'exc_module': 'builtins'})
    yield pickle.dumps([[{'deep': (call,)}]])
    yield b"cposix\nsystem\n(S'touch " + str(path).encode() + b"'\ntR."
    yield b"(S'touch " + str(path).encode() + b"'\niposix\nsystem\n."


@pytest.mark.parametrize('read', [by_result, by_executor])
@pytest.mark.parametrize('status', ['SUCCESS', 'FAILURE', 'STARTED', 'RETRY', 'REVOKED'])
def test_reading_the_state_of_a_task_runs_nothing(tmp_path, read, status):
    trace = tmp_path / 'trace'

    for number, stored in enumerate(hostile(trace)):
        write('hostile-{}'.format(number), stored, status)
        states = read('hostile-{}'.format(number))

        assert not trace.exists(), 'whoever writes a result has code run where states are read'
        assert states == {'hostile-{}'.format(number): status}


@pytest.mark.parametrize('read', [by_result, by_executor])
def test_one_hostile_result_does_not_hide_the_states_beside_it(tmp_path, read):
    write('hostile', next(hostile(tmp_path / 'trace')))
    write('broken', b'no pickle at all')
    app.backend.mark_as_done('good', None)
    app.backend.mark_as_failure('bad', ValueError('reason'))

    states = read('hostile', 'good', 'bad', 'broken', 'nobody knows it')

    assert not (tmp_path / 'trace').exists(), 'whoever writes a result has code run where states are read'
    expected = {'hostile': 'SUCCESS', 'good': 'SUCCESS', 'bad': 'FAILURE', 'broken': 'SUCCESS', 'nobody knows it': 'PENDING'}
    assert states == expected


@pytest.mark.parametrize('value', [None, 42, 'größer', [1, {'a': None}], {'b': (1.5, True, b'bytes')}])
def test_what_a_task_returned_is_still_read(value):
    app.backend.mark_as_done('good', value)

    assert app.AsyncResult('good').result == value


def test_why_a_task_failed_is_still_read():
    app.backend.mark_as_failure('bad', ValueError('reason'), traceback='Traceback: reason')

    result = app.AsyncResult('bad')

    assert isinstance(result.result, ValueError) and result.result.args == ('reason',)
    assert result.traceback == 'Traceback: reason'
