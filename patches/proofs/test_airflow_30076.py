"""apache/airflow#30076: checks of SLAs keep no other DAG file from being read."""
import multiprocessing

import pytest


class Process:
    """Processes a file, until it is told that it has."""

    started = []

    def __init__(self, file_path, callbacks, dag_ids, pickle_dags):
        from airflow.utils import timezone

        self.file_path, self.callbacks = file_path, list(callbacks)
        self.start_time, self.pid, self.exit_code, self.result = timezone.utcnow(), 7, 0, (1, 0)
        self.waitable_handle, self.other_end = multiprocessing.Pipe()

    @property
    def done(self):
        return self.waitable_handle.poll(0)

    def start(self):
        self.started.append(self)

    def end(self):
        self.other_end.close()


@pytest.fixture(name='files')
def fixture_files(tmp_path):
    """Two DAG files: the tasks of the first have SLAs."""
    files = [tmp_path / name for name in ('own.py', 'other.py')]
    for file in files:
        file.touch()
    return [str(file) for file in files]


@pytest.fixture(name='manager')
def fixture_manager(files, monkeypatch):
    """The reader of DAG files, which reads one at a time."""
    from datetime import timedelta

    from airflow.utils.dag_processing import DagFileProcessorManager

    monkeypatch.setattr(Process, 'started', [])
    conn, _other = multiprocessing.Pipe()
    manager = DagFileProcessorManager('/dags', -1, Process, timedelta(seconds=60), conn, [], False, True)
    manager._parallelism, manager._file_process_interval = 1, 0
    manager.set_file_paths(files)
    yield manager
    _other.close()


def check(files, dag_id='own'):
    from airflow.utils.callback_requests import SlaCallbackRequest

    return SlaCallbackRequest(files[0], dag_id)


def looped(manager, *requests):
    """Requests come, a file is begun, more requests come, and the file has been read: what was begun, for what."""
    if not manager._file_path_queue:
        manager.prepare_file_path_queue()
    for request in requests:
        manager._add_callback_to_queue(request)
    manager.start_new_processes()
    for request in requests:
        manager._add_callback_to_queue(request)
    begun = Process.started[-1]
    begun.end()
    manager.collect_results()
    return begun.file_path, begun.callbacks


def test_other_files_are_read_where_tasks_have_slas(manager, files):
    begun = [looped(manager, check(files))[0] for _ in range(6)]
    assert begun.count(files[1]) == 3, 'the file of another DAG is not read as often as the one with SLAs'


def test_slas_of_each_dag_are_checked_once_for_each_time_that_its_file_is_read(manager, files):
    begun = [looped(manager, check(files), check(files, 'second')) for _ in range(6)]
    asked = [[request.dag_id for request in requests] for file, requests in begun if file == files[0]]
    assert asked == [['own', 'second']] * len(asked), 'SLAs are checked more than once'
    assert len(asked) > 1


def test_a_file_with_another_callback_is_read_before_others(manager, files):
    from datetime import datetime

    from airflow.utils.callback_requests import DagCallbackRequest

    manager.prepare_file_path_queue()
    manager._file_path_queue = [files[1], files[0]]
    manager._add_callback_to_queue(check(files))
    manager._add_callback_to_queue(DagCallbackRequest(files[0], 'own', datetime(2021, 6, 1)))
    manager.start_new_processes()
    assert [process.file_path for process in Process.started] == files[:1]
    assert len(Process.started[0].callbacks) == 2
