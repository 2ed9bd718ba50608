"""apache/airflow#15443: a name of a pod that is cut is one that Kubernetes takes."""
import re

import cluster  # noqa: F401
import pytest

# RFC 1123: what names of pods are made of.
PART = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
NAME = re.compile(r'{0}(\.{0})*'.format(PART))


def name_of(pod_id):
    from airflow.kubernetes.pod_generator import PodGenerator

    return PodGenerator.make_unique_pod_id(pod_id)


@pytest.mark.parametrize('end', ['-rest', '.rest', '--.rest', 'a-rest', ''])
@pytest.mark.parametrize('length', [61, 62, 63])
def test_a_name_is_taken_wherever_it_is_cut(length, end):
    name = name_of('a' * length + end)
    assert NAME.fullmatch(name), 'Kubernetes refuses the pod: ' + name
    assert len(name) <= 253


def test_a_short_name_is_kept_and_is_unique():
    assert name_of('own-task').startswith('own-task.')
    assert name_of('own-task') != name_of('own-task')
