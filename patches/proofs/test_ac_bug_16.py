"""AC-BUG-16: a pod that has ended but for its proxy of Istio is taken over from a scheduler that has died."""
import cluster  # noqa: F401
import pods
import pytest


@pytest.fixture(name='taken_over')
def fixture_taken_over(monkeypatch):
    """Of a scheduler that has taken over what it finds: what it is told, and the pods that are left."""
    pods.commands(monkeypatch)
    with pods.schedulers(monkeypatch) as made:

        def taken_over(*containers):
            kubernetes = pods.Cluster()
            kubernetes.add('its-pod', worker='of-the-dead', containers=containers)
            other = made(kubernetes, worker='8')
            other.executor._adopt_completed_pods(kubernetes)
            return other.looks(), list(kubernetes.pods)

        yield taken_over


@pytest.mark.parametrize('code, state', [(0, None), (1, 'failed')])
def test_a_pod_of_which_only_the_proxy_is_left_is_deleted(taken_over, code, state):
    assert taken_over(pods.container(exit_code=code), pods.container('istio-proxy')) == ([state], []), 'it runs for ever'


def test_a_pod_whose_task_runs_is_left_to_who_asks_for_it(taken_over):
    assert taken_over(pods.container(), pods.container('istio-proxy')) == ([], ['its-pod'])
