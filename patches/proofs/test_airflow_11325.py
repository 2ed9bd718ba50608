"""apache/airflow#11325: the pod operator of 1.10 reads the log of its pod on when reading it was interrupted."""
import types

import cluster  # noqa: F401  the library for Kubernetes
import pytest

LINES = [b'2021-06-01T00:00:0%d.000000000Z line %d\n' % (number, number) for number in range(5)]


def module():
    try:
        from airflow.kubernetes import pod_launcher
    except ImportError:
        from airflow.contrib.kubernetes import pod_launcher
    return pod_launcher


class Client:
    """Has the log of a pod, of which it sends parts: one for each time that it is asked."""

    def __init__(self, *parts):
        self.parts, self.asked = list(parts), []

    def read_namespaced_pod_log(self, timestamps=False, **kwargs):
        self.asked.append(kwargs.get('since_seconds'))
        part = self.parts.pop(0)
        return [line if timestamps else line.partition(b' ')[2] for line in part]


def shown(monkeypatch, *parts, **status):
    """The lines that are shown, and what a log was asked for, of a pod that ends with the last part."""
    launchers = module()
    monkeypatch.setattr(launchers.time, 'sleep', lambda seconds: None)
    client = Client(*parts)
    messages = []

    class Launcher(launchers.PodLauncher):
        log = types.SimpleNamespace(info=lambda text, *args: messages.append(text), warning=lambda text, *args: None)

        def __init__(self):
            self._client, self.extract_xcom = client, False

        def read_pod(self, pod):
            running = object() if client.parts else None
            base = types.SimpleNamespace(name='base', state=types.SimpleNamespace(running=running))
            seen = dict({'container_statuses': [base], 'phase': 'Succeeded'}, **status)
            return types.SimpleNamespace(status=types.SimpleNamespace(**seen))

        def pod_is_running(self, pod):
            return False

        def _task_status(self, event):
            return 'success'

    launcher = Launcher()
    pod = types.SimpleNamespace(name='own', namespace='here', metadata=types.SimpleNamespace(name='own', namespace='here'))
    monitor = getattr(launcher, 'monitor_pod', None) or launcher._monitor_pod
    assert monitor(pod, get_logs=True) == ('success', None)
    return [message for message in messages if isinstance(message, bytes)], client.asked


def texts(*numbers):
    return [b'line %d\n' % number for number in numbers]


def test_a_log_is_read_on_when_reading_it_was_interrupted(monkeypatch):
    found, asked = shown(monkeypatch, LINES[:2], LINES[1:3], LINES[2:])
    assert found == texts(0, 1, 2, 3, 4), 'the rest of the log is not shown'
    assert asked[0] is None and all(since >= 10 for since in asked[1:])


def test_a_log_is_read_on_that_had_no_line_until_then(monkeypatch):
    assert shown(monkeypatch, [], LINES)[0] == texts(0, 1, 2, 3, 4), 'the log is not shown'


def test_a_log_is_read_once_where_nothing_interrupts(monkeypatch):
    assert shown(monkeypatch, LINES) == (texts(0, 1, 2, 3, 4), [None])


@pytest.mark.parametrize('containers', [None, []])
def test_a_pod_ends_that_says_nothing_of_its_containers(monkeypatch, containers):
    found, _asked = shown(monkeypatch, LINES[:2], LINES[2:], container_statuses=containers)
    assert found == texts(0, 1)
