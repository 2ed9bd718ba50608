"""AC-BUG-41: the scheduler goes on while Kubernetes refuses that a pod is deleted."""
import cluster  # noqa: F401
import pods
import pytest


class Hangs(BaseException):
    """The scheduler does nothing else."""


@pytest.fixture(name='made')
def fixture_made(monkeypatch):
    with pods.schedulers(monkeypatch) as made:
        yield made


def test_it_tries_again_when_it_looks_again(made):
    kubernetes = pods.Cluster()
    kubernetes.add('its-pod', phase='Succeeded')
    kubernetes.refuses.add('delete')
    asked = []
    delete = kubernetes.delete_namespaced_pod

    def counted(*args, **kwargs):
        asked.append(args)
        if len(asked) > 20:
            raise Hangs
        return delete(*args, **kwargs)

    kubernetes.delete_namespaced_pod = counted
    scheduler = made(kubernetes)
    try:
        scheduler.looks()
    except Hangs:
        pytest.fail('the scheduler does nothing else')
    assert len(asked) == 1
    kubernetes.refuses.clear()
    assert scheduler.looks() == [None], 'its task is not told of'
    assert kubernetes.pods == {}
