"""apache/airflow#22685: files of DAGs are read on when reading one of them has taken too long."""
import multiprocessing
import time
from datetime import timedelta

import pytest


@pytest.fixture(name='manager')
def fixture_manager(tmp_path):
    """The reader of DAG files, with a file that takes too long and another one."""
    from airflow.jobs.scheduler_job import SchedulerJob
    from airflow.utils.dag_processing import DagFileProcessorManager

    for name, text in (('long.py', 'import time\ntime.sleep(60)  # airflow DAG'), ('short.py', '# airflow DAG')):
        (tmp_path / name).write_text(text)
    conn, _other = multiprocessing.Pipe()
    create = SchedulerJob._create_dag_file_processor
    manager = DagFileProcessorManager(str(tmp_path), -1, create, timedelta(seconds=600), conn, [], False, True)
    manager._parallelism = 2
    manager.set_file_paths([str(tmp_path / 'long.py'), str(tmp_path / 'short.py')])
    manager.prepare_file_path_queue()
    yield manager
    for processor in manager._processors.values():
        processor.kill()
    _other.close()


def read(manager, number):
    """The files that are not read to their end, once no more than a number of them are."""
    until = time.time() + 30
    while len(manager._processors) > number and time.time() < until:
        manager._kill_timed_out_processors()
        try:
            manager.collect_results()
        except OSError as error:
            return error
        time.sleep(0.1)
    return [path.split('/')[-1] for path in manager._processors]


def test_the_reader_goes_on_when_a_file_has_taken_too_long(manager):
    manager.start_new_processes()
    assert read(manager, 1) == ['long.py']
    manager._processor_timeout = timedelta(seconds=0)
    assert read(manager, 0) == [], 'the reader of DAG files ends'
    [long, short] = sorted(manager._file_stats)
    assert manager.get_last_finish_time(long) and manager.get_last_finish_time(short)
    assert manager._file_stats[long].import_errors == -1


def test_a_file_is_read_that_takes_no_longer_than_it_may(manager):
    manager.start_new_processes()
    assert read(manager, 1) == ['long.py']
    [long, short] = sorted(manager.file_paths)
    assert manager._file_stats[short].run_count == 1
    assert manager._file_stats[long].run_count == 0
