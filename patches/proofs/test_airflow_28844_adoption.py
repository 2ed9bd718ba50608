"""apache/airflow#28844: a scheduler takes over no pod that is kept, and that another has handled."""
import cluster  # noqa: F401
import pods
import pytest


@pytest.fixture(name='made')
def fixture_made(monkeypatch):
    with pods.schedulers(monkeypatch) as made:
        yield made


def test_a_pod_that_another_scheduler_has_handled_is_not_taken_over(made):
    kubernetes = pods.Cluster()
    kubernetes.add('its-pod', phase='Succeeded')
    assert made(kubernetes, keep=True).looks() == [None]
    other = made(kubernetes, keep=True, worker='8')
    other.executor._adopt_completed_pods(kubernetes)
    assert kubernetes.pods['its-pod'].metadata.labels['airflow-worker'] == '7', 'schedulers take it from each other for ever'
    assert other.looks(anew=True) == []


def test_a_pod_that_nobody_has_handled_is_taken_over(made):
    kubernetes = pods.Cluster()
    kubernetes.add('its-pod', phase='Succeeded')
    other = made(kubernetes, keep=True, worker='8')
    other.executor._adopt_completed_pods(kubernetes)
    assert other.looks(anew=True) == [None]
