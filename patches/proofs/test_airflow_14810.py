"""apache/airflow#14810: a task whose pod is deleted while it waits fails, and does not stay queued."""
import importlib
import importlib.util
import types

import cluster  # noqa: F401
import pytest
import scheduling


@pytest.fixture(name='told')
def fixture_told(monkeypatch):
    """What the scheduler is told of a task, as Kubernetes says that of its pod."""
    contributed = importlib.util.find_spec('airflow.executors.kubernetes_executor') is None
    executor = importlib.import_module('airflow.{}executors.kubernetes_executor'.format('contrib.' * contributed))

    def told(status, kind):
        metadata = types.SimpleNamespace(name='its pod', namespace='default', uid='1', labels={}, resource_version='1')
        metadata.annotations = dict.fromkeys(['dag_id', 'task_id', 'execution_date', 'try_number'], '1')
        pod = types.SimpleNamespace(metadata=metadata, status=types.SimpleNamespace(phase=status, container_statuses=None))
        stream = types.SimpleNamespace(stream=lambda *args, **kwargs: [{'type': kind, 'object': pod}])
        monkeypatch.setattr(executor.watch, 'Watch', lambda: stream)
        watcher = executor.KubernetesJobWatcher.__new__(executor.KubernetesJobWatcher)
        watcher.namespace, watcher.multi_namespace_mode, watcher.left_with_proxy = 'default', False, set()
        watcher.watcher_queue = scheduling.Remembers()
        watcher.watcher_queue.put = watcher.watcher_queue.told.append
        config = types.SimpleNamespace(kube_client_request_args={})
        watcher._run(scheduling.Remembers(), None, 'ours', config)
        return [message[-3] for message in watcher.watcher_queue.told]

    return told


def test_a_pod_that_is_deleted_while_it_waits_has_failed(told):
    assert told('Pending', 'DELETED') == ['failed'], 'the scheduler knows no such state, and waits for ever'


@pytest.mark.parametrize(
    'status, kind, states',
    [('Pending', 'ADDED', []), ('Failed', 'MODIFIED', ['failed']), ('Succeeded', 'MODIFIED', [None])],
)
def test_other_pods_are_as_ever(told, status, kind, states):
    assert told(status, kind) == states
