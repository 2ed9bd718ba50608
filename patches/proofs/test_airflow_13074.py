"""apache/airflow#13074: the image that a task names in its executor_config is used for its pod."""
import datetime
import types

import cluster  # noqa: F401  the library for Kubernetes
import pytest


def pod(image):
    return types.SimpleNamespace(spec=types.SimpleNamespace(containers=[types.SimpleNamespace(image=image)]))


class Generator:
    """Makes a pod of which only the image counts."""

    def __init__(self, image=None, **kwargs):
        self.image = image

    def gen_pod(self):
        return pod(self.image)

    @staticmethod
    def reconcile_pods(base, client):
        """What comes last wins, unless it says nothing."""
        return client if client is not None and client.spec.containers[0].image else base


def image_of(override, monkeypatch):
    from airflow.kubernetes import pod_generator

    construct = pod_generator.PodGenerator.construct_pod
    monkeypatch.setattr(pod_generator, 'PodGenerator', Generator)
    built = construct(
        dag_id='own',
        task_id='task',
        pod_id='own',
        try_number=1,
        kube_image='configured',
        date=datetime.datetime(2021, 6, 1),
        command=['airflow', 'run'],
        pod_override_object=override,
        base_worker_pod=pod('template'),
        namespace='here',
        worker_uuid='worker',
    )
    return built.spec.containers[0].image


def test_the_image_of_the_task_is_used(monkeypatch):
    assert image_of(pod('own'), monkeypatch) == 'own', 'the pod has another image than the task asks for'


@pytest.mark.parametrize(
    'override',
    [None, pod(None), types.SimpleNamespace(spec=types.SimpleNamespace(containers=[types.SimpleNamespace(image='')]))],
    ids=['no executor_config', 'no image', 'an empty one'],
)
def test_the_configured_image_is_used_where_the_task_names_none(override, monkeypatch):
    assert image_of(override, monkeypatch) == 'configured'
