"""apache/airflow#28844: a pod that is kept when its task has ended is handled once, and by one scheduler."""
import cluster  # noqa: F401
import pods
import pytest


@pytest.fixture(name='kubernetes')
def fixture_kubernetes():
    """A cluster with the pod of a task."""
    found = pods.Cluster()
    found.add('its-pod')
    return found


@pytest.fixture(name='made')
def fixture_made(monkeypatch):
    with pods.schedulers(monkeypatch) as made:
        yield made


@pytest.mark.parametrize('phase, state', [('Succeeded', None), ('Failed', 'failed')])
def test_what_became_of_a_pod_that_is_kept_is_told_once(kubernetes, made, phase, state):
    scheduler = made(kubernetes, keep=True)
    assert scheduler.looks() == []
    kubernetes.becomes('its-pod', phase)
    assert scheduler.looks() == [state]
    assert scheduler.looks() == [], 'as for its label has changed'
    assert scheduler.looks(anew=True) == [], 'the state of a later try is overwritten by that of the one before'
    assert 'its-pod' in kubernetes.pods


def test_a_scheduler_that_starts_anew_handles_no_pod_again(kubernetes, made):
    scheduler = made(kubernetes, keep=True)
    kubernetes.becomes('its-pod', 'Failed')
    assert scheduler.looks() == ['failed']
    assert made(kubernetes, keep=True).looks() == [], 'it handles all pods that were ever kept'


def test_pods_that_nobody_has_handled_are(kubernetes, made):
    kubernetes.becomes('its-pod', 'Succeeded')
    assert made(kubernetes, keep=True).looks() == [None]


def test_pods_are_deleted_where_none_are_kept(kubernetes, made):
    scheduler = made(kubernetes)
    kubernetes.becomes('its-pod', 'Succeeded')
    assert scheduler.looks() == [None]
    assert kubernetes.pods == {}


def test_who_may_not_change_pods_goes_on(kubernetes, made):
    scheduler = made(kubernetes, keep=True)
    kubernetes.refuses.add('patch')
    kubernetes.becomes('its-pod', 'Failed')
    assert scheduler.looks() == ['failed']


def test_a_pod_that_somebody_has_deleted_is_missed_by_nobody(kubernetes, made):
    scheduler = made(kubernetes, keep=True)
    scheduler.looks()
    kubernetes.becomes('its-pod', 'Failed')
    kubernetes.delete_namespaced_pod('its-pod', 'ours')
    assert scheduler.looks() == ['failed']
