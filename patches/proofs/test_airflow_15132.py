"""apache/airflow#15132: what is timed goes on where metrics are sent to Datadog, and so does its time."""
import os
import sys
import time
import types

import pytest

# Where metrics are sent is decided when Airflow is imported.
pytestmark = pytest.mark.fresh_process
os.environ['AIRFLOW__METRICS__STATSD_DATADOG_ENABLED'] = 'True'
os.environ['AIRFLOW__METRICS__STATSD_ALLOW_LIST'] = 'a,dagbag'


class Timed:
    """What the client of Datadog times."""

    def __init__(self, client, metric=None, tags=None, sample_rate=None, use_ms=None):
        self.client, self.metric, self.tags = client, metric, tags

    def start(self):
        self.began = time.time()

    def stop(self):
        self.client.sent.append((self.metric, time.time() - self.began, self.tags))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()


class DogStatsd:
    """The client of Datadog, as far as it can time: it has no `timer`, as that of StatsD has."""

    sent = []

    def __init__(self, **kwargs):
        """All is kept here."""

    def timed(self, *args, **kwargs):
        return Timed(self, *args, **kwargs)


library = types.ModuleType('datadog')
library.DogStatsd = DogStatsd
sys.modules['datadog'] = library


@pytest.fixture(name='stats')
def fixture_stats():
    from airflow.stats import Stats

    DogStatsd.sent.clear()
    return Stats


def timer(stats, *args, **kwargs):
    """A timer, or the error in which it ends."""
    try:
        return stats.timer(*args, **kwargs)
    except AttributeError as error:
        return error


def test_what_is_timed_goes_on(stats):
    timed = timer(stats, 'a.metric', tags=['of:mine'])
    assert not isinstance(timed, AttributeError), 'the scheduler ends'

    with timed:
        time.sleep(0.05)

    assert [(name, tags) for name, _, tags in DogStatsd.sent] == [('a.metric', ['of:mine'])]
    assert DogStatsd.sent[0][1] > 0.04
    assert 0.04 < timed.duration < 40


def test_it_may_be_given_up(stats):
    timed = timer(stats, 'a.metric')
    assert not isinstance(timed, AttributeError), 'the scheduler ends'

    timed.start()
    timed.stop(send=False)

    assert timed.duration >= 0
    assert not DogStatsd.sent


@pytest.mark.parametrize('metric', [None, 'of.others'], ids=['no metric', 'one that is not asked for'])
def test_some_are_only_for_airflow_itself(stats, metric):
    with stats.timer(metric) as timed:
        pass

    assert timed.duration >= 0
    assert not DogStatsd.sent
