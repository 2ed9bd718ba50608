"""apache/airflow#28776: KubernetesExecutor takes over pods by their label alone, and none that are its own."""
import types

import cluster
import pytest
import scheduling


class Cluster:
    """Has pods that have ended, of several schedulers, and remembers what is to be changed of which."""

    def __init__(self, *workers):
        self.changes = {}
        self.pods = [self.pod(worker) for worker in workers]

    @staticmethod
    def pod(worker):
        labels = {'kubernetes_executor': 'True', 'airflow-worker': worker}
        metadata = types.SimpleNamespace(name='of ' + worker, namespace='default', labels=labels)
        return types.SimpleNamespace(metadata=metadata)

    def list_namespaced_pod(self, namespace, label_selector, **kwargs):
        def fits(labels, selector):
            name, unequal, value = selector.partition('!=')
            if unequal:
                return labels.get(name) != value
            name, _, value = selector.partition('=')
            return labels.get(name) == value

        if kwargs['field_selector'] != 'status.phase=Succeeded':
            return types.SimpleNamespace(items=[])
        wanted = label_selector.split(',')
        return types.SimpleNamespace(items=[p for p in self.pods if all(fits(p.metadata.labels, w) for w in wanted)])

    def patch_namespaced_pod(self, name, namespace, body):
        self.changes[name] = body


@pytest.fixture(name='changes')
def fixture_changes(monkeypatch):
    """What the executor of scheduler 2 asks to be changed; its own pod has ended, and one of scheduler 1."""
    from airflow.executors import kubernetes_executor

    # What it sends is all of a pod, as from another library.
    monkeypatch.setattr(kubernetes_executor.PodGenerator, 'serialize_pod', staticmethod(lambda pod: {'spec': 'all of it'}))
    with cluster.short_paths():
        executor = kubernetes_executor.KubernetesExecutor()
        executor.scheduler_job_id = '2'
        kubernetes = Cluster('1', '2')
        executor._adopt_completed_pods(kubernetes)
        yield kubernetes.changes


def test_only_the_label_is_changed(changes):
    label = {'metadata': {'labels': {'airflow-worker': '2'}}}
    assert changes['of 1'] == label, 'it is refused where anything else has changed'


def test_pods_of_its_own_are_left_alone(changes):
    assert list(changes) == ['of 1'], 'its own pods are sent again and again'
