"""A pod that a pod_mutation_hook in the form of earlier 1.10 gets, for the proofs of 1.10.12."""
import types

import cluster  # noqa: F401  the library for Kubernetes

NAMES = [
    'V1Affinity', 'V1ConfigMapEnvSource', 'V1Container', 'V1EnvFromSource', 'V1EnvVar', 'V1ObjectMeta', 'V1Pod', 'V1PodSpec',
    'V1ResourceRequirements',
]  # fmt: skip


class Kept:
    """Keeps what it is made of; the rest is None, as in the library."""

    def __init__(self, **kwargs):
        self.__dict__.update(kwargs)

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return None


def as_data(self, value):
    """What the library for Kubernetes sends."""
    return {name: as_data(self, item) for name, item in vars(value).items()} if isinstance(value, Kept) else value


def hooked(monkeypatch, hook, resources=None, **spec):
    """What a hook makes of the pod of a task, or the error in which that ends."""
    from airflow.kubernetes import pod_launcher
    from kubernetes.client import models

    for name in NAMES:
        monkeypatch.setattr(models, name, type(name, (Kept,), {}), raising=False)
    monkeypatch.setattr(pod_launcher.ApiClient, 'sanitize_for_serialization', as_data, raising=False)
    monkeypatch.setattr(pod_launcher.settings, 'pod_mutation_hook', hook)
    # What the hook has set is put over the pod.
    generator = types.SimpleNamespace(reconcile_pods=lambda pod, changed: changed)
    monkeypatch.setattr(pod_launcher, 'PodGenerator', generator)
    if 'affinity' in spec:
        spec['affinity'] = models.V1Affinity(**spec['affinity'])
    resources = models.V1ResourceRequirements(**(resources or {'requests': {}, 'limits': {}}))
    container = models.V1Container(name='base', image='own', command=['airflow'], resources=resources)
    pod = models.V1Pod(
        metadata=models.V1ObjectMeta(name='own', namespace='here', annotations={'task': 'own'}, labels={'dag': 'own'}),
        spec=models.V1PodSpec(containers=[container], node_selector={'disk': 'fast'}, **spec),
    )
    try:
        return pod_launcher.PodLauncher._mutate_pod_backcompat(pod)
    except Exception as error:  # pylint: disable=broad-except
        return error
