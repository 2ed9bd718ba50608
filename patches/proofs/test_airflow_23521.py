"""apache/airflow#23521: pods are watched further when Kubernetes does not know any more what happened since the last event."""
import importlib
import importlib.util
import types

import cluster  # noqa: F401
import pytest
import scheduling


class Enough(BaseException):
    """Ends a watcher, which would not end by itself."""


@pytest.fixture(name='watched')
def fixture_watched(monkeypatch):
    """The versions from which a watcher goes on, while Kubernetes answers with errors of these codes; None where it ends."""
    contributed = importlib.util.find_spec('airflow.executors.kubernetes_executor') is None
    executor = importlib.import_module('airflow.{}executors.kubernetes_executor'.format('contrib.' * contributed))

    def watched(*codes):
        codes, versions = list(codes), []

        def stream(*args, **kwargs):
            versions.append(kwargs.get('resource_version'))
            if not codes:
                raise Enough
            error = executor.ApiException()
            error.status, error.reason = codes.pop(0), 'why'
            raise error

        monkeypatch.setattr(executor.watch, 'Watch', lambda: types.SimpleNamespace(stream=stream))
        monkeypatch.setattr(executor, 'get_kube_client', scheduling.Remembers)
        watcher = executor.KubernetesJobWatcher.__new__(executor.KubernetesJobWatcher)
        watcher.namespace, watcher.multi_namespace_mode = 'default', False
        watcher.resource_version, watcher.worker_uuid = '7', 'ours'
        watcher.kube_config = types.SimpleNamespace(kube_client_request_args={})
        try:
            watcher.run()
        except Enough:
            return versions
        except executor.ApiException:
            return versions + [None]

    return watched


@pytest.mark.parametrize('times', [1, 3])
def test_a_watcher_goes_on_with_the_pods_that_are_there(watched, times):
    assert watched(*[410] * times) == ['7'] + ['0'] * times, 'nobody hears of pods that end'


def test_a_watcher_ends_after_another_error(watched):
    assert watched(403) == ['7', None]


def test_a_watcher_begins_where_it_is_told(watched):
    assert watched() == ['7']
