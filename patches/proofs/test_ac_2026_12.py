"""AC-2026-12: where the umask takes nothing away, others cannot write to the logs all the same, nor to folders of theirs."""
import os
import shutil
import signal
import stat
import subprocess
import sys
import time

import psutil
import pytest

AIRFLOW = os.path.join(os.path.dirname(sys.executable), 'airflow')


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def end(process):
    """It has ended, with all of its session: the scheduler's reader of DAG files is in a process group of its own."""
    for other in psutil.process_iter():
        try:
            if os.getsid(other.pid) == process.pid:
                os.kill(other.pid, signal.SIGKILL)
        except OSError:
            pass
    process.wait()


@pytest.fixture(name='run')
def fixture_run(tmp_path):
    """Runs a command under a umask, with a log folder that is not there yet; the modes of all that lies there then."""
    logs = tmp_path / 'above' / 'logs'
    home = os.environ['AIRFLOW_HOME']
    (tmp_path / 'dags').mkdir()
    with (tmp_path / 'dags' / 'dag_of_the_proof.py').open('w') as file:
        file.write('from airflow import DAG\nfrom datetime import datetime\ndag = DAG("dag", start_date=datetime(2021, 1, 1))\n')
    shutil.copy(os.path.join(home, 'airflow.db'), str(tmp_path / 'airflow.db'))
    environment = dict(os.environ)
    for section in ('CORE', 'LOGGING'):
        environment['AIRFLOW__{}__BASE_LOG_FOLDER'.format(section)] = str(logs)
        location = str(logs / 'dag_processor_manager' / 'dag_processor_manager.log')
        environment['AIRFLOW__{}__DAG_PROCESSOR_MANAGER_LOG_LOCATION'.format(section)] = location
    environment['AIRFLOW__CORE__SQL_ALCHEMY_CONN'] = 'sqlite:///{}'.format(tmp_path / 'airflow.db')
    environment['AIRFLOW__CORE__DAGS_FOLDER'] = str(tmp_path / 'dags')
    environment['AIRFLOW__SCHEDULER__CHILD_PROCESS_LOG_DIRECTORY'] = str(logs / 'scheduler')

    def run(umask, *words):
        def begin():
            os.umask(umask)
            os.setsid()

        (tmp_path / 'above').mkdir(mode=0o755)
        with (tmp_path / 'output').open('wb') as output:
            process = subprocess.Popen(
                (sys.executable, AIRFLOW) + words,
                env=environment,
                cwd=str(tmp_path),
                preexec_fn=begin,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                limit = time.time() + 90
                while process.poll() is None and time.time() < limit and not list(logs.glob('scheduler/*/*.log')):
                    time.sleep(0.2)
                time.sleep(1)
            finally:
                end(process)
        paths = [logs] + [path for path in logs.glob('**/*') if not path.is_symlink()]
        return {str(path.relative_to(tmp_path)): mode(path) for path in paths}

    return run


def open_ones(modes):
    return sorted(name for name, found in modes.items() if found & stat.S_IWOTH)


@pytest.mark.parametrize('umask', [0, 0o020])
def test_a_scheduler_leaves_nothing_that_others_may_write_to(run, umask):
    modes = run(umask, 'scheduler')

    assert any(name.endswith('dag_processor_manager.log') for name in modes), 'the scheduler did not start'
    assert any('/scheduler/' in name and name.endswith('.log') for name in modes), 'no file with DAGs was read'
    assert open_ones(modes) == [], 'everybody may write to the logs of the scheduler'


@pytest.mark.parametrize('umask', [0, 0o020])
def test_no_other_command_makes_a_folder_that_others_may_write_to(run, umask):
    modes = run(umask, 'version')

    assert 'above/logs/scheduler' in modes
    assert open_ones(modes) == [], 'everybody may write to the log folder'


@pytest.mark.parametrize('umask, folder, file', [(0o002, 0o775, 0o664), (0o022, 0o755, 0o644), (0o077, 0o700, 0o600)])
def test_the_umask_still_decides_what_else_is_allowed(run, umask, folder, file):
    modes = run(umask, 'scheduler')

    made = {name: found for name, found in modes.items() if name.endswith('.log')}
    assert set(made.values()) == {file}
    assert {modes[name] for name in modes if name not in made} == {folder}


def test_a_log_that_grows_is_still_begun_anew(tmp_path):
    try:
        from airflow.utils.log.log_folder import RotatingLogFileHandler as Handler
    except ImportError:
        from logging.handlers import RotatingFileHandler as Handler
    import logging

    handler = Handler(str(tmp_path / 'log'), maxBytes=20, backupCount=2)
    for word in ('first größer', 'second line', 'third line'):
        handler.emit(logging.LogRecord('log', logging.INFO, __file__, 1, word, None, None))
    handler.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ['log', 'log.1', 'log.2']
