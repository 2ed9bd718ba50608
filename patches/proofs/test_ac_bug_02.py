"""AC-BUG-02: KubernetesExecutor takes over the pods of a scheduler that has ended, whose tasks go on."""
import types

import cluster
import pytest
import scheduling

LONG = 'a-long-name-' * 8 + 'end'


class Cluster:
    """Has the pods of tasks, and the labels by which their scheduler knows them."""

    def __init__(self):
        self.pods = []

    def add(self, ti, try_number, worker):
        from airflow.kubernetes.pod_generator import make_safe_label_value

        annotations = {'dag_id': ti.dag_id, 'task_id': ti.task_id, 'execution_date': ti.execution_date.isoformat()}
        labels = {name: make_safe_label_value(value) for name, value in annotations.items()}
        annotations['try_number'], labels['airflow-worker'] = str(try_number), str(worker)
        names = {'name': str(len(self.pods)), 'namespace': 'default'}
        metadata = types.SimpleNamespace(annotations=annotations, labels=labels, **names)
        self.pods.append(types.SimpleNamespace(metadata=metadata))

    def list_namespaced_pod(self, namespace, label_selector, field_selector=None):
        _, _, worker = label_selector.split(',')[0].partition('=')
        found = [pod for pod in self.pods if pod.metadata.labels['airflow-worker'] == worker and not field_selector]
        return types.SimpleNamespace(items=found)

    @staticmethod
    def patch_namespaced_pod(name, namespace, body):
        """Everything can be changed."""


@pytest.fixture(name='executor')
def fixture_executor(monkeypatch):
    """The executor of scheduler 8."""
    from airflow.executors import kubernetes_executor

    monkeypatch.setattr(kubernetes_executor.PodGenerator, 'serialize_pod', staticmethod(lambda pod: pod))
    monkeypatch.setenv('AIRFLOW__KUBERNETES__DAGS_IN_IMAGE', 'True')
    with cluster.short_paths():
        executor = kubernetes_executor.KubernetesExecutor()
        executor.scheduler_job_id, executor.kube_client = 8, Cluster()
        scheduler = kubernetes_executor.AirflowKubernetesScheduler
        executor.kube_scheduler = scheduler.__new__(scheduler)
        yield executor


@pytest.mark.parametrize('dag_id, state', [('own', 'running'), ('own', 'queued'), (LONG, 'running')], ids=['1', '2', 'long'])
def test_a_pod_is_taken_over(executor, dag_id, state):
    ti = scheduling.run_of(scheduling.stored(dag_id), state=state, queued_by_job_id=7, _try_number=1)
    executor.kube_client.add(ti, ti.try_number, 7)

    assert executor.try_adopt_task_instances([ti]) == [], 'the task is sent once more, while it runs'
    assert executor.kube_client.pods[0].metadata.labels['airflow-worker'] == '8'
    assert ti.key in executor.running


@pytest.mark.parametrize('try_number, worker', [(1, 7), (2, 6)])
def test_a_task_is_sent_once_more_whose_pod_is_not_there(executor, try_number, worker):
    """There is one of its try before, or one of another scheduler."""
    ti = scheduling.run_of(scheduling.stored('own'), state='running', queued_by_job_id=7, _try_number=2)
    executor.kube_client.add(ti, try_number, worker)

    assert executor.try_adopt_task_instances([ti]) == [ti]
    assert executor.running == set()


def test_a_task_of_an_unknown_scheduler_is_sent_once_more(executor):
    ti = scheduling.run_of(scheduling.stored('own'), state='running')
    assert executor.try_adopt_task_instances([ti]) == [ti]
