"""AC-BUG-12: what a pod_mutation_hook in the form of earlier 1.10 sets is used."""
import mutation


def test_annotations_are_used(monkeypatch):
    pod = mutation.hooked(monkeypatch, lambda pod: pod.annotations.update(own='annotation'))
    assert pod.metadata.annotations == {'task': 'own', 'own': 'annotation'}, 'it is lost'


def test_node_selectors_are_used(monkeypatch):
    pod = mutation.hooked(monkeypatch, lambda pod: pod.node_selectors.update(own='node'))
    assert pod.spec.node_selector == {'disk': 'fast', 'own': 'node'}, 'it is lost'


def test_config_maps_are_used(monkeypatch):
    pod = mutation.hooked(monkeypatch, lambda pod: pod.configmaps.append('own'))
    sources = pod.spec.containers[0].env_from or []
    assert [source.config_map_ref.name for source in sources] == ['own'], 'it is lost'


def test_labels_are_used_and_nothing_else_is_set(monkeypatch):
    pod = mutation.hooked(monkeypatch, lambda pod: pod.labels.update(own='label'))
    assert pod.metadata.labels == {'dag': 'own', 'own': 'label'}
    assert not pod.spec.containers[0].env_from
