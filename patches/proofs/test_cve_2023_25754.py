"""CVE-2023-25754: nobody but Airflow's own user and group can write to the logs of tasks."""
import datetime
import logging
import os
import stat

import pytest

FOLDER = 'FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS'
FILE = 'FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS'


@pytest.fixture(autouse=True)
def no_umask():
    """As in Airflow's daemons: only what Airflow asks for keeps others out."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture(name='write')
def fixture_write(tmp_path):
    """Writes a task's log as a worker does; returns the file and the folders that were made for it."""
    from airflow.models import DAG, TaskInstance
    from airflow.utils import timezone
    from airflow.utils.log.file_task_handler import FileTaskHandler

    try:
        from airflow.operators.dummy import DummyOperator
    except ImportError:
        from airflow.operators.dummy_operator import DummyOperator

    def write(text):
        date = timezone.make_aware(datetime.datetime(2021, 1, 1))
        with DAG('logs', start_date=date):
            task_instance = TaskInstance(DummyOperator(task_id='writes'), date)
        base = tmp_path / 'logs'
        base.mkdir(mode=0o755)
        handler = FileTaskHandler(str(base), '{{ ti.dag_id }}/{{ ti.task_id }}/{{ ts }}/{{ try_number }}.log')
        handler.set_context(task_instance)
        handler.emit(logging.LogRecord('task', logging.INFO, __file__, 1, text, None, None))
        handler.close()
        [log] = list(base.glob('*/*/*/*.log'))
        # The DAG's, the task's and the run's; `base` is there before.
        return log, [log.parent, log.parent.parent, log.parent.parent.parent]

    return write


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_others_cannot_write_to_a_log_nor_put_a_link_in_its_place(write):
    log, folders = write('done')

    assert not mode(log) & stat.S_IWOTH, 'everybody may write to the log'
    assert not mode(folders[0]) & stat.S_IWOTH, 'everybody may replace the log'


def test_the_folders_above_are_not_writable_for_others_either(write):
    folders = write('done')[1]

    assert not any(mode(folder) & stat.S_IWOTH for folder in folders), 'everybody may replace a folder of logs'


def test_a_log_is_still_written_and_its_group_may_go_on_with_it(write):
    log, folders = write('done')

    assert 'done' in log.read_text()
    assert mode(log) & 0o660 == 0o660
    assert all(mode(folder) & 0o770 == 0o770 for folder in folders)


@pytest.mark.parametrize('section', ['LOGGING', 'CORE'])
def test_other_modes_can_be_configured(write, monkeypatch, section):
    from airflow.configuration import conf

    if conf.has_section('logging') != (section == 'LOGGING'):
        pytest.skip('this version keeps the options of logging in the other section')
    monkeypatch.setenv('AIRFLOW__{}__{}'.format(section, FOLDER), '0o750')
    monkeypatch.setenv('AIRFLOW__{}__{}'.format(section, FILE), '0o640')

    log, folders = write('done')

    assert [mode(path) for path in (log, *folders)] == [0o640, 0o750, 0o750, 0o750]
