"""AC-BUG-13: a pod_mutation_hook in the form of earlier 1.10 changes the affinity of a pod."""
import mutation
import pytest

OWN = {'podAntiAffinity': {'own': 'rule'}}


def hook(pod):
    pod.affinity.update(OWN)


@pytest.mark.parametrize('before', [{'nodeAffinity': {'rule': 'of the task'}}, {}], ids=['some', 'empty'])
def test_the_affinity_of_a_pod_is_changed(monkeypatch, before):
    pod = mutation.hooked(monkeypatch, hook, affinity=before)
    assert not isinstance(pod, Exception), 'the hook fails'
    assert pod.spec.affinity == dict(before, **OWN)


def test_the_affinity_of_a_pod_without_one_is_changed(monkeypatch):
    assert mutation.hooked(monkeypatch, hook).spec.affinity == OWN


def test_the_affinity_of_the_task_stays_where_the_hook_leaves_it(monkeypatch):
    before = {'nodeAffinity': {'rule': 'of the task'}}
    affinity = mutation.hooked(monkeypatch, lambda pod: pod.labels.clear(), affinity=before).spec.affinity
    assert mutation.as_data(None, affinity) == before
