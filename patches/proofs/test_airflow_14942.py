"""apache/airflow#14942: pods of failed tasks are kept where delete_worker_pods_on_failure is off."""
import types

import cluster
import pytest
import scheduling


@pytest.fixture(name='executor')
def fixture_executor(monkeypatch):
    from airflow.executors.kubernetes_executor import KubernetesExecutor

    monkeypatch.setenv('AIRFLOW__KUBERNETES__DAGS_IN_IMAGE', 'True')
    with cluster.short_paths():
        executor = KubernetesExecutor()
        executor.kube_config = types.SimpleNamespace(delete_worker_pods=True, delete_worker_pods_on_failure=False)
        executor.kube_scheduler = scheduling.Remembers()
        executor.kube_scheduler.delete_pod = lambda pod, namespace: executor.kube_scheduler.told.append(pod)
        yield executor


def deleted(executor, state):
    """The pods that are deleted when a task ends in that state, of which another process says so."""
    executor._change_state('key', ''.join(list(state)), 'its pod', 'namespace')
    return executor.kube_scheduler.told


def test_the_pod_of_a_failed_task_is_kept(executor):
    assert deleted(executor, 'failed') == [], 'nobody can see any more why the task failed'


def test_the_pod_of_another_task_is_deleted(executor):
    assert deleted(executor, 'success') == ['its pod']
