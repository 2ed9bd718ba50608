"""apache/airflow#14513: a pod operator goes on when reading the log of its pod is interrupted, also before its first line."""
import types

import cluster  # noqa: F401  the library for Kubernetes
import pytest

LINE = b'2021-06-01T00:00:00.000000000Z a line'


@pytest.fixture(name='launcher')
def fixture_launcher(monkeypatch):
    """Reads the log of a pod that runs until it has been asked for twice."""
    from airflow.kubernetes import pod_launcher

    monkeypatch.setattr(pod_launcher.time, 'sleep', lambda seconds: None)

    class Launcher(pod_launcher.PodLauncher):
        def __init__(self):
            self.extract_xcom, self.since = False, []

        def read_pod_logs(self, pod, since_seconds=None, **kwargs):
            self.since.append(since_seconds)
            return self.answers.pop(0)

        def base_container_is_running(self, pod):
            return bool(self.answers)

        def pod_is_running(self, pod):
            return False

        def read_pod(self, pod):
            return pod

        def _task_status(self, event):
            return 'success'

    return Launcher()


def monitored(launcher, *answers):
    launcher.answers = list(answers)
    status = types.SimpleNamespace(phase='Succeeded')
    pod = types.SimpleNamespace(metadata=types.SimpleNamespace(name='own'), status=status)
    try:
        return launcher.monitor_pod(pod, get_logs=True)
    except TypeError as error:
        return error


def test_a_task_goes_on_when_nothing_was_logged_until_then(launcher):
    assert monitored(launcher, [], [LINE]) == ('success', None), 'the task ends in an error'
    assert launcher.since == [None, None]


def test_a_task_reads_on_where_it_was(launcher):
    assert monitored(launcher, [LINE], []) == ('success', None)
    assert launcher.since[0] is None and launcher.since[1] > 0
