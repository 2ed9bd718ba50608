"""apache/airflow#19904: a scheduler that starts finds the pods of tasks that another has queued, and runs none twice."""
import types

import cluster
import pytest
import scheduling


class Cluster:
    """Answers as Kubernetes does to who asks for pods by labels."""

    def __init__(self):
        self.pods = []

    def list_namespaced_pod(self, namespace, label_selector, **kwargs):
        wanted = dict(label.split('=') for label in label_selector.split(','))
        items = [pod for pod in self.pods if all(pod.get(name) == value for name, value in wanted.items())]
        return types.SimpleNamespace(items=items)


@pytest.fixture(name='executor')
def fixture_executor():
    """The executor of a scheduler with the number 2."""
    from airflow.executors.kubernetes_executor import KubernetesExecutor

    with cluster.short_paths():
        executor = KubernetesExecutor()
        executor.kube_client = Cluster()
        executor.job_id = executor.scheduler_job_id = 2
        yield executor


def launched(executor, ti, by):
    """A pod of the task as the scheduler with that number launches it."""
    from airflow.kubernetes import pod_generator

    date = pod_generator.datetime_to_label_safe_datestring(ti.execution_date)
    labels = {'dag_id': ti.dag_id, 'task_id': ti.task_id, 'execution_date': date, 'airflow-worker': str(by)}
    executor.kube_client.pods.append(labels)


def test_a_task_with_a_pod_is_not_run_again(executor):
    ti = scheduling.run_of(scheduling.stored('own'), state='queued', queued_by_job_id=1)
    launched(executor, ti, by=1)

    executor.clear_not_launched_queued_tasks()

    assert scheduling.task_of('own').state == 'queued', 'it runs a second time, beside its pod'


def test_a_task_that_has_none_is_scheduled_again(executor):
    scheduling.run_of(scheduling.stored('own'), state='queued', queued_by_job_id=1)
    executor.clear_not_launched_queued_tasks()
    assert scheduling.task_of('own').state is None
