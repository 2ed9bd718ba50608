"""apache/airflow#13518: the webserver ends when gunicorn has ended, and asks it for as many workers as are missing."""
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

# Stands for gunicorn: has a number of workers, and one more for each SIGTTIN.
MASTER = '''
import signal, subprocess, sys, time

workers = []

def spawn(*args):
    workers.append(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']))

signal.signal(signal.SIGTTIN, spawn)
for _ in range(int(sys.argv[1])):
    spawn()
while True:
    time.sleep(0.1)
'''


@pytest.fixture
def gunicorn(request):
    master = subprocess.Popen([sys.executable, '-c', MASTER, str(request.param)])
    process = psutil.Process(master.pid)
    while len(process.children()) < request.param:
        time.sleep(0.1)
    yield process
    _kill(process)


def _kill(master):
    """What is left is what a process leaves whose parent has not asked for its end yet."""
    try:
        family = [master] + master.children()
    except psutil.NoSuchProcess:
        family = []
    for process in family:
        if process.is_running():
            process.send_signal(signal.SIGKILL)


def monitor_of(master, expected, monkeypatch):
    try:
        from airflow.cli.commands import webserver_command as cli

        monkeypatch.setattr(cli, 'sleep', lambda seconds: time.sleep(0.05))
    except ImportError:
        from airflow.bin import cli

        if not hasattr(cli, 'GunicornMonitor'):
            pytest.skip('what watches gunicorn can be asked only from 1.10.12 on')
        hurried = type('Time', (), {'sleep': staticmethod(lambda seconds, sleep=time.sleep: sleep(0.05))})
        hurried.time, hurried.monotonic = time.time, time.monotonic
        monkeypatch.setattr(cli, 'time', hurried)
    return cli.GunicornMonitor(
        gunicorn_master_pid=master.pid,
        num_workers_expected=expected,
        master_timeout=2,
        worker_refresh_interval=0,
        worker_refresh_batch_size=1,
        reload_on_plugin_change=False,
    )


@pytest.mark.parametrize('gunicorn', [2], indirect=True)
def test_the_webserver_ends_when_gunicorn_has(gunicorn, monkeypatch):
    monitor = monitor_of(gunicorn, 2, monkeypatch)
    check, looks = monitor._check_workers, []

    def counted():
        looks.append(len(looks))
        if looks[-1] == 3:
            _kill(gunicorn)
        if looks[-1] > 20:
            raise RuntimeError('it goes on')
        check()

    monkeypatch.setattr(monitor, '_check_workers', counted)
    try:
        monitor.start()
    except SystemExit as error:
        ended = error.code
    except RuntimeError:
        ended = 'not at all'
    assert ended == 1, 'the webserver goes on though gunicorn has ended'
    assert len(looks) > 3, 'it has ended before'


@pytest.mark.parametrize('gunicorn', [2], indirect=True)
def test_as_many_workers_are_asked_for_as_are_missing(gunicorn, monkeypatch):
    monitor = monitor_of(gunicorn, 3, monkeypatch)
    asked = []
    monkeypatch.setattr(monitor, '_spawn_new_workers', asked.append)
    monkeypatch.setattr(monitor, '_get_num_ready_workers_running', lambda: 2)
    monitor._check_workers()
    assert asked == [1]


@pytest.mark.parametrize('gunicorn', [2], indirect=True)
def test_none_is_asked_for_where_none_is_missing(gunicorn, monkeypatch):
    monitor = monitor_of(gunicorn, 2, monkeypatch)
    asked = []
    monkeypatch.setattr(monitor, '_spawn_new_workers', asked.append)
    monkeypatch.setattr(monitor, '_get_num_ready_workers_running', lambda: 2)
    monitor._check_workers()
    assert asked == []


@pytest.fixture(name='webserver')
def fixture_webserver(tmp_path):
    """`airflow webserver` whose workers are not renewed, with another program for gunicorn."""
    gunicorn = tmp_path / 'gunicorn'
    gunicorn.write_text('#!{}\n{}'.format(sys.executable, MASTER.replace('int(sys.argv[1])', '1')))
    gunicorn.chmod(0o755)
    environment = dict(
        os.environ,
        PATH=str(tmp_path) + os.pathsep + os.environ['PATH'],
        AIRFLOW__WEBSERVER__RBAC='True',
        AIRFLOW__WEBSERVER__WORKERS='1',
        AIRFLOW__WEBSERVER__WORKER_REFRESH_INTERVAL='0',
        AIRFLOW__WEBSERVER__WEB_SERVER_MASTER_TIMEOUT='2',
    )
    command = [os.path.join(os.path.dirname(sys.executable), 'airflow'), 'webserver', '--pid', str(tmp_path / 'pid')]
    process = subprocess.Popen([sys.executable] + command, env=environment)
    yield psutil.Process(process.pid), process
    family = [psutil.Process(process.pid)] if process.poll() is None else []
    for member in family + [child for parent in family for child in parent.children(recursive=True)]:
        member.kill()
    process.wait()


def test_a_webserver_ends_with_gunicorn_that_does_not_renew_its_workers(webserver):
    seen, process = webserver
    until = time.time() + 60
    while not [child for parent in seen.children() for child in parent.children()]:
        assert process.poll() is None and time.time() < until, 'the webserver does not begin'
        time.sleep(0.2)
    time.sleep(2)
    assert process.poll() is None
    [master] = [child for child in seen.children() if child.children()]
    _kill(master)
    try:
        ended = process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        ended = 'not at all'
    assert ended not in (0, 'not at all'), 'the webserver goes on though gunicorn has ended'
