"""apache/airflow#14703: KubernetesExecutor runs a task with long ids, and knows it again when its pod has ended."""
import datetime
import re
import types

import cluster  # noqa: F401
import pytest

DATE = datetime.datetime(2021, 6, 2, tzinfo=datetime.timezone.utc)
LONG = 'a-long-name-' * 8 + 'end'
# What Kubernetes takes as the value of a label.
VALUE = re.compile('[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?')

CASES = {'dag': (LONG, 'task'), 'task': ('own', LONG), 'both': (LONG, LONG), 'neither': ('own', 'task')}
ids = pytest.mark.parametrize('dag_id, task_id', list(CASES.values()), ids=list(CASES))


class V1(types.SimpleNamespace):
    """An object of Kubernetes' library, which says by itself what it holds."""

    def to_dict(self):
        return dict(vars(self))

    def __bool__(self):
        return True


class Kinds:
    """Kubernetes' library."""

    def __getattr__(self, name):
        return V1


@pytest.fixture(name='metadata_of')
def fixture_metadata_of(monkeypatch):
    from airflow.kubernetes import pod_generator

    def metadata_of(dag_id, task_id):
        return pod_generator.PodGenerator.construct_pod(
            dag_id=dag_id, task_id=task_id, pod_id='its-pod', try_number=1, kube_image='own', date=DATE, args=[],
            pod_override_object=None, base_worker_pod=V1(spec=None, metadata=None), namespace='default', scheduler_job_id=7,
        ).metadata  # fmt: skip

    monkeypatch.setattr(pod_generator, 'k8s', Kinds())
    return metadata_of


@ids
def test_kubernetes_takes_the_pod(metadata_of, dag_id, task_id):
    labels = metadata_of(dag_id, task_id).labels
    assert [value for value in labels.values() if not VALUE.fullmatch(value)] == []


@ids
def test_the_scheduler_knows_of_which_task_it_hears(metadata_of, dag_id, task_id):
    from airflow.executors.kubernetes_executor import AirflowKubernetesScheduler
    from airflow.models.taskinstance import TaskInstanceKey

    hears = AirflowKubernetesScheduler.__new__(AirflowKubernetesScheduler)
    key = hears._annotations_to_key(metadata_of(dag_id, task_id).annotations)
    assert key == TaskInstanceKey(dag_id, task_id, DATE, 1), 'its slot is never free again'
