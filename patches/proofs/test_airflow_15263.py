"""apache/airflow#15263: a task whose pod cannot start fails after the time that an operator sets."""
import datetime
import importlib
import importlib.util
import inspect
import queue
import types

import cluster
import pytest
import scheduling

KEY = {'dag_id': 'own', 'task_id': 'task', 'try_number': '1'}
NONE = types.SimpleNamespace


class Cluster:
    """Has pods, and tells a watcher which of them it deletes."""

    def __init__(self, executors):
        self.pods = []
        self.asked = []
        self.watcher = executors.KubernetesJobWatcher.__new__(executors.KubernetesJobWatcher)
        self.watcher.watcher_queue = queue.Queue()

    def add(self, name, age, deletion_timestamp=None):
        created = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
        state = NONE(waiting=NONE(reason='ImagePullBackOff', message='no such image'))
        metadata = NONE(name=name, namespace='ours', creation_timestamp=created, deletion_timestamp=deletion_timestamp)
        status = NONE(conditions=None, init_container_statuses=None, container_statuses=[NONE(state=state)])
        self.pods.append(NONE(metadata=metadata, status=status))

    def list_namespaced_pod(self, namespace, field_selector=None, label_selector=None, **kwargs):
        self.asked.append((field_selector, label_selector))
        return NONE(items=list(self.pods))

    def patch_namespaced_pod(self, name, namespace, **kwargs):
        """A pod that is kept has a label."""

    def delete_namespaced_pod(self, name, namespace, **kwargs):
        pod = next((each for each in self.pods if each.metadata.name == name), None)
        if pod is None:
            return  # it is deleted again when its task has failed
        self.pods.remove(pod)
        day = scheduling.DAY.isoformat()
        values = {
            'pod_id': name,
            'namespace': namespace,
            'status': 'Pending',
            'annotations': dict(KEY, execution_date=day),
            'labels': dict(KEY, execution_date=day.replace(':', '_').replace('+', '_plus_')),
            'resource_version': '7',
            'event': {'type': 'DELETED', 'object': pod},
        }
        wanted = inspect.signature(self.watcher.process_status).parameters
        self.watcher.process_status(**{key: value for key, value in values.items() if key in wanted})


@pytest.fixture(name='made')
def fixture_made(monkeypatch):
    """An executor with so long a limit, if any, whose cluster is ours."""
    contributed = importlib.util.find_spec('airflow.executors.kubernetes_executor') is None
    executors = importlib.import_module('airflow.{}executors.kubernetes_executor'.format('contrib.' * contributed))
    monkeypatch.setenv('AIRFLOW__KUBERNETES__DAGS_IN_IMAGE', 'True')
    monkeypatch.setattr(executors.AirflowKubernetesScheduler, '_health_check_kube_watcher', lambda self: None)
    key = (KEY['dag_id'], KEY['task_id'], scheduling.DAY, 1)
    monkeypatch.setattr(executors.AirflowKubernetesScheduler, '_annotations_to_key', lambda *_, **__: key, raising=False)
    monkeypatch.setattr(executors.AirflowKubernetesScheduler, '_labels_to_key', lambda *_, **__: key, raising=False)

    def made(timeout=None):
        if timeout is not None:
            monkeypatch.setenv('AIRFLOW__KUBERNETES__WORKER_PODS_PENDING_TIMEOUT', str(timeout))
        executor = executors.KubernetesExecutor()
        executor.kube_client = Cluster(executors)
        executor.scheduler_job_id = executor.worker_uuid = '7'
        executor.task_queue, executor.result_queue = queue.Queue(), queue.Queue()
        scheduler = executors.AirflowKubernetesScheduler.__new__(executors.AirflowKubernetesScheduler)
        scheduler.kube_config, scheduler.kube_client = executor.kube_config, executor.kube_client
        scheduler.namespace = 'ours'
        scheduler.watcher_queue, scheduler.result_queue = executor.kube_client.watcher.watcher_queue, executor.result_queue
        executor.kube_scheduler = scheduler
        return executor

    with cluster.short_paths():
        yield made


def looks(executor, times=2):
    """The state in which the task is after the scheduler has looked, or what ends the scheduler instead."""
    try:
        for _ in range(times):
            executor.sync()
    except Exception as error:  # pylint: disable=broad-except
        return error
    states = [each if isinstance(each, (str, type(None))) else each[0] for each in executor.event_buffer.values()]
    return states[0] if states else 'queued'


def test_a_task_fails_whose_pod_stays_pending(made):
    executor = made(timeout=300)
    executor.kube_client.add('stuck', age=301)
    assert looks(executor) == 'failed', 'the task stays queued for ever'
    assert executor.kube_client.pods == []
    assert executor.kube_client.asked == [('status.phase=Pending', 'airflow-worker=7')], 'once a minute, for its own'


def test_the_log_says_why(made, monkeypatch):
    executor = made(timeout=300)
    said = []
    monkeypatch.setattr(type(executor.log), 'error', lambda _, text, *values: said.append(text % values))
    executor.kube_client.add('stuck', age=301)
    looks(executor)
    assert 'stuck' in ''.join(said) and 'ImagePullBackOff: no such image' in ''.join(said), said


def test_other_pods_are_kept(made):
    executor = made(timeout=300)
    executor.kube_client.add('young', age=200)
    executor.kube_client.add('goes', age=900, deletion_timestamp=scheduling.DAY)
    assert looks(executor) == 'queued'
    assert len(executor.kube_client.pods) == 2


@pytest.mark.parametrize('timeout', [None, 0])
def test_without_a_limit_nobody_looks(made, timeout):
    executor = made(timeout)
    executor.kube_client.add('stuck', age=9000)
    assert looks(executor) == 'queued'
    assert executor.kube_client.asked == []


def test_a_cluster_that_refuses_ends_nothing(made, monkeypatch):
    executor = made(timeout=300)
    executor.kube_client.add('stuck', age=301)

    def refuses(*args, **kwargs):
        raise RuntimeError('Forbidden')

    monkeypatch.setattr(executor.kube_client, 'list_namespaced_pod', refuses)
    assert looks(executor) == 'queued', 'the scheduler ends'
