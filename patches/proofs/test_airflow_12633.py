"""apache/airflow#12633: a task with only some of its resources is run where pod_mutation_hook has the form of earlier 1.10."""
import mutation
import pytest

SOME = {'memory': '1Gi', 'cpu': '1'}


def label(pod):
    pod.labels['own'] = 'label'


@pytest.mark.parametrize(
    'resources',
    [{'requests': SOME}, {'limits': SOME}, {}, {'requests': SOME, 'limits': SOME}],
    ids=['no limits', 'no requests', 'neither', 'both'],
)
def test_a_task_is_run_with_the_resources_that_it_names(monkeypatch, resources):
    pod = mutation.hooked(monkeypatch, label, resources=dict({'requests': None, 'limits': None}, **resources))
    assert not isinstance(pod, Exception), 'the scheduler ends in an error'
    assert pod.metadata.labels == {'dag': 'own', 'own': 'label'}
    found = pod.spec.containers[0].resources
    for kind in ('requests', 'limits'):
        got = {name: value for name, value in (getattr(found, kind) or {}).items() if value is not None}
        assert got == resources.get(kind, {})
