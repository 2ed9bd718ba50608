"""AC-BUG-14: a task has what its executor_config takes from config maps beside what airflow.cfg takes from others."""
import types

import cluster  # noqa: F401
import pytest


class V1(types.SimpleNamespace):
    """An object of Kubernetes' library, which says by itself what it holds."""

    def to_dict(self):
        return dict(vars(self))


def source(name):
    """All values of a config map."""
    return V1(prefix=None, secret_ref=None, config_map_ref=V1(name=name, optional=None))


def container(*sources, **fields):
    fields = dict({name: [] for name in ('volume_mounts', 'env', 'ports', 'volume_devices')}, **fields)
    return V1(name='base', env_from=list(sources), **fields)


def together(configured, own):
    """The container of a task, or what ends the scheduler instead."""
    from airflow.kubernetes.pod_generator import PodGenerator

    try:
        (result,) = PodGenerator.reconcile_containers([configured], [own])
    except AttributeError as error:
        return error
    return result


def maps(result):
    return [each.config_map_ref.name for each in getattr(result, 'env_from', [])] or result


@pytest.mark.parametrize('configured, own, both', [('ab', 'c', 'abc'), ('a', 'bc', 'abc'), ('ab', 'ab', 'ab')])
def test_a_task_has_config_maps_beside_those_of_the_configuration(configured, own, both):
    result = together(container(*map(source, configured)), container(*map(source, own)))
    assert maps(result) == list(both), 'the scheduler ends'


@pytest.mark.parametrize('configured, own', [('ab', ''), ('', 'ab')])
def test_config_maps_of_one_side_are_taken_as_they_are(configured, own):
    assert maps(together(container(*map(source, configured)), container(*map(source, own)))) == ['a', 'b']


def test_variables_are_still_told_apart_by_their_names():
    configured = container(env=[V1(name='a', value='1'), V1(name='b', value='2')])
    result = together(configured, container(env=[V1(name='b', value='3')]))
    assert [(each.name, each.value) for each in result.env] == [('a', '1'), ('b', '3')]
