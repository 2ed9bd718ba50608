"""apache/airflow#13232: a daemon starts whose --pid is a relative path."""
import os

import pytest


def paths(pid):
    """The files of a daemon; its PID file is the first of them."""
    try:
        from airflow.bin.cli import setup_locations
    except ImportError:
        from airflow.utils.cli import setup_locations
    return setup_locations('scheduler', pid)


def test_a_daemon_writes_its_pid_file_where_it_was_started(tmp_path, monkeypatch):
    from daemon.pidfile import TimeoutPIDLockFile

    for name in ('here', 'root'):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    lock = TimeoutPIDLockFile(paths('own.pid')[0], -1)
    # As a daemon does before it takes the lock.
    monkeypatch.chdir(tmp_path / 'root')
    with lock:
        assert (tmp_path / 'here' / 'own.pid').exists(), 'the daemon writes to a folder where it may not'


@pytest.mark.parametrize('pid', [None, '/run/own.pid'])
def test_another_path_is_the_same_as_ever(pid):
    assert paths(pid)[0] == (pid or os.path.join(os.environ['AIRFLOW_HOME'], 'airflow-scheduler.pid'))
