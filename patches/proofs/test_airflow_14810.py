"""apache/airflow#14810: a task whose pod is deleted while it waits fails, and does not stay queued."""
import cluster  # noqa: F401
import pytest
import scheduling


def told(status, kind):
    """What the scheduler is told of a task, as Kubernetes says that of its pod."""
    from airflow.executors.kubernetes_executor import KubernetesJobWatcher

    watcher = KubernetesJobWatcher.__new__(KubernetesJobWatcher)
    watcher.watcher_queue = scheduling.Remembers()
    watcher.watcher_queue.put = watcher.watcher_queue.told.append
    watcher.process_status('its pod', 'default', status, {}, '1', {'type': kind})
    return [state for _, _, state, _, _ in watcher.watcher_queue.told]


def test_a_pod_that_is_deleted_while_it_waits_has_failed():
    assert told('Pending', 'DELETED') == ['failed'], 'the scheduler knows no such state, and waits for ever'


@pytest.mark.parametrize(
    'status, kind, states',
    [('Pending', 'ADDED', []), ('Failed', 'MODIFIED', ['failed']), ('Succeeded', 'MODIFIED', [None])],
)
def test_other_pods_are_as_ever(status, kind, states):
    assert told(status, kind) == states
