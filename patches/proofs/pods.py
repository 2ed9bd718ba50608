"""A cluster within the process of a proof: pods, their labels, and who watches them; and an executor that has it."""
import contextlib
import copy
import importlib
import importlib.util
import queue
import types

import cluster
import scheduling

NONE = types.SimpleNamespace
KEY = ('own', 'task', scheduling.DAY, 1)


def executors():
    """The module of KubernetesExecutor, wherever this version has it."""
    contributed = importlib.util.find_spec('airflow.executors.kubernetes_executor') is None
    return importlib.import_module('airflow.{}executors.kubernetes_executor'.format('contrib.' * contributed))


def container(name='base', exit_code=None):
    """How a container is: it runs, or has ended with that code."""
    ended = None if exit_code is None else NONE(exit_code=exit_code)
    return NONE(name=name, state=NONE(terminated=ended, waiting=None, running=NONE() if ended is None else None))


class Cluster:
    """Answers as the client of the library does, as far as executors ask it."""

    def __init__(self):
        self.pods = {}
        self.events = []
        self.executed = []
        self.refuses = set()

    def add(self, name, worker='7', phase='Running', containers=()):
        """A pod of the task of this proof, made by that scheduler."""
        annotations = {'dag_id': KEY[0], 'task_id': KEY[1], 'execution_date': KEY[2].isoformat(), 'try_number': '1'}
        labels = {name: value.replace(':', '_').replace('+', '_plus_') for name, value in annotations.items()}
        labels.update({'airflow-worker': worker, 'kubernetes_executor': 'True'})
        metadata = NONE(name=name, namespace='ours', uid='uid of ' + name, labels=labels, annotations=annotations)
        metadata.deletion_timestamp = None
        status = NONE(phase=phase, container_statuses=list(containers))
        self.pods[name] = NONE(metadata=metadata, status=status, spec=NONE(restart_policy='Never'))
        self._tell('ADDED', self.pods[name])

    def becomes(self, name, phase=None, containers=None):
        """What Kubernetes says of the pod from now on."""
        status = self.pods[name].status
        status.phase = phase or status.phase
        status.container_statuses = status.container_statuses if containers is None else list(containers)
        self._tell('MODIFIED', self.pods[name])

    def list_namespaced_pod(self, namespace=None, label_selector='', field_selector='', **kwargs):
        found = [pod for pod in self.pods.values() if _is_chosen(pod, label_selector, field_selector)]
        return NONE(items=copy.deepcopy(found))

    list_pod_for_all_namespaces = list_namespaced_pod

    def patch_namespaced_pod(self, name, namespace, body, **kwargs):
        pod = self._asked('patch', name)
        pod.metadata.labels.update(body['metadata']['labels'])
        self._tell('MODIFIED', pod)

    def delete_namespaced_pod(self, name, namespace, **kwargs):
        pod = self._asked('delete', name)
        pod.metadata.deletion_timestamp = 'now'
        del self.pods[name]
        self._tell('DELETED', pod)

    def connect_get_namespaced_pod_exec(self, name, namespace, container=None, command=None, **kwargs):
        self._asked('exec', name)
        self.executed.append((name, container, command))
        return ''

    def _asked(self, verb, name):
        error = executors().ApiException('refused')
        error.status, error.reason = 403, 'Forbidden'
        if verb in self.refuses:
            raise error
        if name not in self.pods:
            error.status, error.reason = 404, 'Not Found'
            raise error
        return self.pods[name]

    def _tell(self, kind, pod):
        pod.metadata.resource_version = str(len(self.events) + 1)
        self.events.append({'type': kind, 'object': copy.deepcopy(pod)})

    def stream(self, listed, *args, label_selector='', resource_version=None, **kwargs):
        """What a watch is told: from a version on what happens, and without one all that is there."""
        if resource_version in (None, '', '0'):
            now = self.list_namespaced_pod(label_selector=label_selector).items
            return [{'type': 'ADDED', 'object': pod} for pod in now]
        since = self.events[int(resource_version):]
        return [event for event in since if _is_chosen(copy.deepcopy(event['object']), label_selector, '')]


def _is_chosen(pod, labels, fields):
    wanted = [part for part in labels.split(',') if part]
    if fields and pod.status.phase != fields.partition('status.phase=')[2]:
        return False
    for part in wanted:
        name, unequal, value = part.partition('!=')
        if not unequal:
            name, _, value = part.partition('=')
        if (pod.metadata.labels.get(name) == value) is bool(unequal):
            return False
    return True


def commands(monkeypatch):
    """What is executed in containers goes to the cluster at once, and not through a socket."""
    streams = importlib.import_module('kubernetes.stream')
    monkeypatch.setattr(streams, 'stream', lambda function, *args, **kwargs: function(*args, **kwargs))
    for package in ('airflow.kubernetes', 'airflow.contrib.kubernetes'):
        if importlib.util.find_spec(package) and importlib.util.find_spec(package + '.istio'):
            monkeypatch.setattr(importlib.import_module(package + '.istio'), 'stream', streams.stream)


class Scheduler:
    """KubernetesExecutor of scheduler 7, as it is once it has started, and its watcher without a process."""

    def __init__(self, kubernetes, monkeypatch, keep=False, worker='7'):
        self.module = module = executors()
        self.version = None
        self.kubernetes = kubernetes
        monkeypatch.setenv('AIRFLOW__KUBERNETES__DAGS_IN_IMAGE', 'True')
        monkeypatch.setenv('AIRFLOW__KUBERNETES__DELETE_WORKER_PODS', str(not keep))
        monkeypatch.setenv('AIRFLOW__KUBERNETES__DELETE_WORKER_PODS_ON_FAILURE', str(not keep))
        monkeypatch.setattr(module.AirflowKubernetesScheduler, '_health_check_kube_watcher', lambda self: None)
        monkeypatch.setattr(module.AirflowKubernetesScheduler, '_annotations_to_key', lambda *_, **__: KEY, raising=False)
        monkeypatch.setattr(module.AirflowKubernetesScheduler, '_labels_to_key', lambda *_, **__: KEY, raising=False)
        # That of 2.x, which needs all of the library; upstream sends all of a pod.
        whole = staticmethod(lambda pod: {'metadata': {'labels': pod.metadata.labels}})
        if hasattr(module, 'PodGenerator'):
            monkeypatch.setattr(module.PodGenerator, 'serialize_pod', whole, raising=False)
        monkeypatch.setattr(module.watch, 'Watch', lambda: NONE(stream=kubernetes.stream))
        self.executor = executor = module.KubernetesExecutor()
        executor.kube_client = kubernetes
        executor.scheduler_job_id = executor.worker_uuid = worker
        executor.task_queue, executor.result_queue = queue.Queue(), queue.Queue()
        executor.event_scheduler = NONE(run=lambda **kwargs: None)  # that of 2.1, for what is done now and then
        self.watcher = watcher = module.KubernetesJobWatcher.__new__(module.KubernetesJobWatcher)
        watcher.namespace, watcher.multi_namespace_mode, watcher.watcher_queue = 'ours', False, queue.Queue()
        watcher.kube_config, watcher.left_with_proxy = executor.kube_config, set()
        asked = scheduler = module.AirflowKubernetesScheduler.__new__(module.AirflowKubernetesScheduler)
        scheduler.kube_config, scheduler.kube_client = executor.kube_config, kubernetes
        scheduler.namespace, scheduler.watcher_queue, scheduler.result_queue = 'ours', watcher.watcher_queue, executor.result_queue
        executor.kube_scheduler = asked

    def looks(self, anew=False):
        """The states that the scheduler is told of the task, by what has happened since it looked (or of all, anew)."""
        worker = getattr(self.executor, 'scheduler_job_id', None)
        version = None if anew else self.version
        self.watcher._run(self.kubernetes, version, worker, self.executor.kube_config)
        self.version = str(len(self.kubernetes.events))
        self.executor.sync()
        told = list(self.executor.event_buffer.values())
        self.executor.event_buffer.clear()
        return [state[0] if isinstance(state, tuple) else state for state in told]


@contextlib.contextmanager
def schedulers(monkeypatch):
    """Makes schedulers: `made(kubernetes, keep=...)`."""
    with cluster.short_paths():
        yield lambda kubernetes, **kwargs: Scheduler(kubernetes, monkeypatch, **kwargs)
