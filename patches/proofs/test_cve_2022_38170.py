"""CVE-2022-38170: nobody but Airflow's own user can write to the files of its daemons."""
import datetime
import logging
import os
import signal
import stat
import subprocess
import sys
import time

import commands
import pytest

OTHERS = stat.S_IWGRP | stat.S_IWOTH
DAEMONS = [
    ('scheduler', '-D'),
    ('webserver', '-D', '--port', '0'),
    ('kerberos', '-D'),
    ('flower', '-D'),
    ('celery', 'flower', '-D'),
    ('worker', '-D'),
    ('celery', 'worker', '-D'),
]


def mode(path):
    return stat.S_IMODE(os.stat(str(path)).st_mode)


@pytest.fixture(name='modes', params=DAEMONS, ids=' '.join)
def fixture_modes(request, monkeypatch, tmp_path):
    """The modes of a file and a folder that a daemon makes, as it would be started by this command."""
    import daemon

    found = []

    class Context(daemon.DaemonContext):
        """Does not let go of the terminal: only what it does to new files is looked at."""

        def __enter__(self):
            before = os.umask(self.umask)
            try:
                folder = tmp_path / 'made'
                folder.mkdir()
                with open(str(folder / 'file'), 'w'):
                    found.extend([mode(folder / 'file'), mode(folder)])
            finally:
                os.umask(before)
            raise SystemExit('started')

    monkeypatch.setattr(daemon, 'DaemonContext', Context)
    monkeypatch.setenv('AIRFLOW__CORE__EXECUTOR', 'CeleryExecutor')
    monkeypatch.setenv('AIRFLOW__CELERY__BROKER_URL', 'memory://')
    monkeypatch.setenv('AIRFLOW__CELERY__RESULT_BACKEND', 'cache+memory://')
    places = [part for name in ('pid', 'stdout', 'stderr', 'log-file') for part in ('--' + name, str(tmp_path / name))]
    log_file = [part.replace('--log-file', '--log_file') for part in places]
    for words in (places, log_file):
        if not found:
            commands.logged(*(request.param + tuple(words)))
    if not found:
        pytest.skip('this version spells it otherwise')
    return found


def test_a_daemon_makes_files_and_folders_that_others_cannot_write_to(modes):
    assert not any(found & OTHERS for found in modes), 'a daemon makes files that others can write to'


def test_its_own_user_can(modes):
    assert modes[0] & 0o600 == 0o600 and modes[1] & 0o700 == 0o700


def test_a_scheduler_that_runs_as_a_daemon_leaves_no_such_file(tmp_path):
    logs = tmp_path / 'logs'
    logs.mkdir(mode=0o755)
    environment = dict(os.environ)
    for section in ('CORE', 'LOGGING'):
        environment['AIRFLOW__{}__BASE_LOG_FOLDER'.format(section)] = str(logs)
        location = str(logs / 'dag_processor_manager' / 'dag_processor_manager.log')
        environment['AIRFLOW__{}__DAG_PROCESSOR_MANAGER_LOG_LOCATION'.format(section)] = location
    environment['AIRFLOW__SCHEDULER__CHILD_PROCESS_LOG_DIRECTORY'] = str(logs / 'scheduler')
    pid = tmp_path / 'scheduler.pid'
    airflow = os.path.join(os.path.dirname(sys.executable), 'airflow')
    command = [sys.executable, airflow, 'scheduler', '-D', '--pid', str(pid)]
    for name in ('stdout', 'stderr'):
        command += ['--' + name, str(tmp_path / name)]
    subprocess.check_call(command + ['-l', str(tmp_path / 'log')], env=environment, cwd=str(tmp_path))
    try:
        limit = time.time() + 60
        while not list(logs.glob('*/*.log')) and time.time() < limit:
            time.sleep(0.2)
        time.sleep(2)
        paths = [path for path in logs.glob('**/*') if not path.is_symlink()]
        modes = {str(path.relative_to(logs)): mode(path) for path in paths}
    finally:
        if pid.exists():
            process = int(pid.read_text())
            children = subprocess.Popen(['ps', '-o', 'pid=', '--ppid', str(process)], stdout=subprocess.PIPE)
            found = children.communicate()[0].split()
            for number in [process] + [int(child) for child in found]:
                try:
                    os.kill(number, signal.SIGKILL)
                except OSError:
                    pass

    assert any(name.endswith('.log') for name in modes), 'the scheduler did not start'
    open_ones = sorted(name for name, found in modes.items() if found & stat.S_IWOTH)
    assert not open_ones, 'everybody may write to the files of the scheduler'


def test_logs_of_tasks_are_still_shared_with_the_group(tmp_path):
    """Tasks that run as another user write to folders that a daemon made."""
    from airflow.models import DAG, TaskInstance
    from airflow.utils import timezone
    from airflow.utils.log.file_task_handler import FileTaskHandler

    try:
        from airflow.operators.dummy import DummyOperator
    except ImportError:
        from airflow.operators.dummy_operator import DummyOperator

    before = os.umask(0o077)
    try:
        date = timezone.make_aware(datetime.datetime(2021, 1, 1))
        with DAG('logs', start_date=date):
            instance = TaskInstance(DummyOperator(task_id='writes'), date)
        handler = FileTaskHandler(str(tmp_path), '{{ ti.dag_id }}/{{ ti.task_id }}/{{ try_number }}.log')
        handler.set_context(instance)
        handler.emit(logging.LogRecord('task', logging.INFO, __file__, 1, 'done', None, None))
        handler.close()
    finally:
        os.umask(before)
    [log] = list(tmp_path.glob('logs/writes/*.log'))

    assert mode(log) & 0o660 == 0o660
    assert all(mode(folder) & 0o770 == 0o770 for folder in (log.parent, log.parent.parent))
