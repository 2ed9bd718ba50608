"""AC-BUG-15: a task has volumes of its own, also where pod_mutation_hook has the form of earlier 1.10."""
import types

import cluster  # noqa: F401

GIVEN = {'name': 'data', 'hostPath': {'path': '/given'}}


class V1(types.SimpleNamespace):
    """An object of Kubernetes' library, which says by itself what it holds."""

    def to_dict(self):
        return dict(vars(self))


def pod(volume):
    return V1(spec=V1(containers=[], volumes=[volume], host_network=None), metadata=None)


def hooked(before, after):
    """The volumes of the pod of a task after a hook has got the pod in another form; what ends the scheduler, if that does."""
    from airflow.kubernetes.pod_generator import PodGenerator

    try:
        return PodGenerator.reconcile_pods(before, after).spec.volumes
    except AttributeError as error:
        return error


def test_a_volume_may_be_a_dictionary():
    translated = V1(name='data', host_path={'path': '/given'}, empty_dir=None)
    assert hooked(pod(GIVEN), pod(translated)) == [translated], 'the scheduler ends'


def test_a_hook_may_have_changed_it():
    changed = V1(name='data', host_path=None, empty_dir={})
    assert hooked(pod(GIVEN), pod(changed)) == [changed], 'the scheduler ends'


def test_two_dictionaries_are_one_as_ever():
    assert hooked(pod(GIVEN), pod({'name': 'data', 'readOnly': True})) == [dict(GIVEN, readOnly=True)]


def test_two_objects_are_one_as_ever():
    before = V1(name='data', host_path={'path': '/given'}, empty_dir=None)
    assert hooked(pod(before), pod(V1(name='data', host_path=None, empty_dir=None))) == [before]
