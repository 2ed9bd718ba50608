"""apache/airflow#14454: a scheduler that runs as a daemon sends metrics to StatsD."""
import os
import socket
import sys
import types

import pytest

# Whether there are metrics is decided when Airflow is imported.
pytestmark = pytest.mark.fresh_process
# In 1.10 the options are in another section, and the metrics in another module.
os.environ['AIRFLOW__METRICS__STATSD_ON'] = os.environ['AIRFLOW__SCHEDULER__STATSD_ON'] = 'True'


class StatsClient:
    """Sends metrics; as the client of StatsD, it does not say when it cannot."""

    clients = []

    def __init__(self, **kwargs):
        self.ours, self.server = socket.socketpair()
        self.server.setblocking(False)
        self.clients.append(self)

    def incr(self, stat, count=1, rate=1):
        try:
            self.ours.send(stat.encode())
        except OSError:
            pass


library = types.ModuleType('statsd')
library.StatsClient = StatsClient
sys.modules['statsd'] = library


def imported_anew():
    """Metrics of a process that has just begun."""
    import importlib

    try:
        from airflow import stats as module
    except ImportError:
        from airflow import settings as module
    return importlib.reload(module).Stats


@pytest.fixture(name='stats')
def fixture_stats():
    StatsClient.clients.clear()
    return imported_anew()


def received():
    """What StatsD gets."""
    try:
        return b''.join(client.server.recv(100) for client in StatsClient.clients)
    except OSError:
        return b''


def test_a_daemon_sends_metrics(stats):
    for client in StatsClient.clients:
        client.ours.close()
    stats.incr('a.metric')
    assert received() == b'a.metric', 'nobody gets the metrics of a daemon'


def test_another_process_sends_metrics_by_one_client(stats):
    stats.incr('a.metric')
    stats.incr('another.metric')
    assert received() == b'a.metricanother.metric'
    assert len(StatsClient.clients) == 1


def test_nothing_is_sent_where_no_metrics_are_configured(stats, monkeypatch):
    for section in ('METRICS', 'SCHEDULER'):
        monkeypatch.setenv('AIRFLOW__{}__STATSD_ON'.format(section), 'False')
    imported_anew().incr('a.metric')
    assert received() == b''
