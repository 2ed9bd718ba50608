"""apache/airflow#13299: the parts of the name of a pod are as short as Kubernetes wants them, however long ids are."""
import importlib
import importlib.util
import re

import cluster  # noqa: F401
import pytest

# RFC 1123: what names of pods are made of.
PART = re.compile('(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?')
LONG = 'a_dag_with_a_long_name_' * 4


def name_of_task(dag_id, task_id):
    """The name that the executor gives the pod of a task."""
    if importlib.util.find_spec('airflow.kubernetes') and importlib.util.find_spec('airflow.kubernetes.pod_launcher'):
        module = importlib.import_module('airflow.executors.kubernetes_executor')
    else:
        module = importlib.import_module('airflow.contrib.executors.kubernetes_executor')
    create = getattr(module, 'create_pod_id', None) or module.AirflowKubernetesScheduler._create_pod_id
    name = create(dag_id, task_id)
    if hasattr(module, 'PodGenerator'):
        return module.PodGenerator.make_unique_pod_id(name)
    return name


def is_taken(name):
    return len(name) <= 253 and all(PART.fullmatch(part) for part in name.split('.'))


@pytest.mark.parametrize('dag_id, task_id', [(LONG, 'task'), ('dag', LONG), (LONG, LONG), ('d' * 40, 't' * 23)])
def test_a_name_of_long_ids_is_taken(dag_id, task_id):
    name = name_of_task(dag_id, task_id)
    assert is_taken(name), 'Kubernetes refuses the pod, or never starts it: ' + name


def test_names_of_short_ids_are_as_ever():
    name = name_of_task('a_dag', 'a_task')
    assert re.fullmatch('adagatask-[0-9a-f]{32}', name)
    assert is_taken(name)


def test_names_are_unique():
    assert len({name_of_task(LONG, 'task') for _ in range(5)}) == 5
