"""apache/airflow#13662: a DAG file is processed once at a time, also when callbacks come for it meanwhile."""
import multiprocessing
import types

import pytest

FILE, OTHER = '/dags/own.py', '/dags/other.py'


class Process:
    """Processes a file, until it is told that it has."""

    started = []

    def __init__(self, file_path, callbacks, dag_ids, pickle_dags):
        from airflow.utils import timezone

        self.file_path, self.callbacks = file_path, [callback.msg for callback in callbacks]
        self.start_time, self.pid, self.exit_code, self.result = timezone.utcnow(), 7, 0, (1, 0)
        self.waitable_handle, self.other_end = multiprocessing.Pipe()

    def start(self):
        self.started.append(self)

    def end(self):
        self.other_end.close()


@pytest.fixture(name='manager')
def fixture_manager(monkeypatch):
    from datetime import timedelta

    from airflow.utils.dag_processing import DagFileProcessorManager

    monkeypatch.setattr(Process, 'started', [])
    monkeypatch.setenv('AIRFLOW__SCHEDULER__PARSING_PROCESSES', '4')
    conn, _other = multiprocessing.Pipe()
    manager = DagFileProcessorManager('/dags', -1, Process, timedelta(seconds=60), conn, [], False, True)
    manager._parallelism = 4
    manager.set_file_paths([FILE, OTHER])
    yield manager
    _other.close()


def callback(manager, msg):
    manager._add_callback_to_queue(types.SimpleNamespace(full_filepath=FILE, msg=msg))
    manager.start_new_processes()


def started():
    return [(process.file_path, process.callbacks) for process in Process.started]


def collected(manager):
    """The processes that have ended are seen to; the error in which that ends."""
    try:
        manager.collect_results()
    except KeyError as error:
        return error
    manager.start_new_processes()
    return None


def test_a_callback_waits_until_its_file_has_been_processed(manager):
    callback(manager, 'first')
    callback(manager, 'second')
    callback(manager, 'third')
    assert started() == [(FILE, ['first'])], 'the file is processed twice at once'

    Process.started[0].end()
    assert collected(manager) is None
    assert started() == [(FILE, ['first']), (FILE, ['second', 'third'])]
    Process.started[1].end()
    assert collected(manager) is None
    assert len(started()) == 2


def test_processes_of_the_same_file_are_all_seen_to(manager):
    callback(manager, 'first')
    callback(manager, 'second')
    for process in Process.started:
        process.end()
    assert collected(manager) is None, 'the reader of DAG files ends'


def test_files_without_callbacks_are_processed_beside_it(manager):
    callback(manager, 'first')
    manager._file_path_queue.append(OTHER)
    manager.start_new_processes()
    assert started() == [(FILE, ['first']), (OTHER, [])]
