"""AC-BUG-07, AC-BUG-11: the pod operator waits for no proxy of Istio, and tells it to end, also where it has no shell."""
import importlib
import importlib.util
import types

import cluster  # noqa: F401
import pods
import pytest


class Waits(Exception):
    """It goes on waiting."""


@pytest.fixture(name='ended')
def fixture_ended(monkeypatch):
    """What the operator says of a pod with such containers when it has ended, and the cluster."""
    pods.commands(monkeypatch)
    package = importlib.util.find_spec('airflow.kubernetes')
    contributed = not (package and importlib.util.find_spec('airflow.kubernetes.pod_launcher'))
    launchers = importlib.import_module('airflow.{}kubernetes.pod_launcher'.format('contrib.' * contributed))
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) > 3:
            raise Waits

    monkeypatch.setattr(launchers, 'time', types.SimpleNamespace(sleep=sleep))

    def ended(*containers, **changes):
        kubernetes = pods.Cluster()
        kubernetes.read_namespaced_pod = lambda name, namespace, **kwargs: kubernetes.pods[name]
        kubernetes.refuses.update(changes.pop('refuses', ()))
        kubernetes.add('its-pod', containers=containers, **changes)
        launcher = launchers.PodLauncher(kube_client=kubernetes)
        pod = kubernetes.pods['its-pod']
        pod.name, pod.namespace = 'its-pod', 'ours'  # as versions before 1.10.11 have them
        waiting = getattr(launcher, 'monitor_pod', None) or launcher._monitor_pod
        try:
            return waiting(pod, get_logs=False)[0], kubernetes
        except Waits:
            return 'waits', kubernetes

    return ended


@pytest.mark.parametrize('code, state', [(0, 'success'), (1, 'failed')])
def test_the_task_ends_when_only_the_proxy_is_left(ended, code, state):
    assert ended(pods.container(exit_code=code), pods.container('istio-proxy'))[0] == state


def test_the_proxy_is_told_to_end_without_a_shell(ended):
    state, kubernetes = ended(pods.container(exit_code=0), pods.container('istio-proxy'))
    assert state == 'success'
    [(name, container, command)] = kubernetes.executed
    assert (name, container, command[0], command[-1]) == ('its-pod', 'istio-proxy', 'pilot-agent', 'quitquitquit')


def test_the_task_ends_where_the_proxy_cannot_be_told(ended):
    state, _ = ended(pods.container(exit_code=0), pods.container('istio-proxy'), refuses=['exec'])
    assert state == 'success'


@pytest.mark.parametrize('phase, state', [('Succeeded', 'success'), ('Failed', 'failed'), ('Running', 'waits')])
def test_other_pods_are_as_ever(ended, phase, state):
    found, kubernetes = ended(pods.container(exit_code=None if state == 'waits' else 0), phase=phase)
    assert (found, kubernetes.executed) == (state, [])


def test_another_sidecar_is_waited_for(ended):
    assert ended(pods.container(exit_code=0), pods.container('other'), pods.container('istio-proxy'))[0] == 'waits'
