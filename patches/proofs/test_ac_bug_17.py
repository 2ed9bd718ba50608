"""AC-BUG-17: a pod of KubernetesExecutor ends with its task, also where Istio has put a proxy beside it."""
import cluster  # noqa: F401
import pods
import pytest


@pytest.fixture(name='made')
def fixture_made(monkeypatch):
    pods.commands(monkeypatch)
    with pods.schedulers(monkeypatch) as made:
        yield made


@pytest.fixture(name='kubernetes')
def fixture_kubernetes():
    """A cluster with the pod of a task that has a proxy."""
    found = pods.Cluster()
    found.add('its-pod', containers=[pods.container(), pods.container('istio-proxy')])
    return found


def ends(kubernetes, code):
    kubernetes.becomes('its-pod', containers=[pods.container(exit_code=code), pods.container('istio-proxy')])


@pytest.mark.parametrize('code, state', [(0, None), (1, 'failed')])
def test_its_task_is_told_of_and_it_is_deleted(kubernetes, made, code, state):
    scheduler = made(kubernetes)
    assert scheduler.looks() == []
    ends(kubernetes, code)
    assert scheduler.looks() == [state], 'its slot is never free again'
    assert kubernetes.pods == {}
    assert scheduler.looks() == [], 'its end is told twice'
    assert kubernetes.executed == [], 'to be deleted is enough'


@pytest.mark.parametrize('code, phase, state', [(0, 'Succeeded', None), (1, 'Failed', 'failed')])
def test_where_pods_are_kept_the_proxy_is_told_to_end(kubernetes, made, code, phase, state):
    scheduler = made(kubernetes, keep=True)
    ends(kubernetes, code)
    assert scheduler.looks() == [state]
    [(name, container, command)] = kubernetes.executed
    assert (name, container, command[0], command[-1]) == ('its-pod', 'istio-proxy', 'pilot-agent', 'quitquitquit')
    kubernetes.becomes('its-pod', phase, [pods.container(exit_code=code), pods.container('istio-proxy', 0)])
    assert scheduler.looks() == [], 'its end is told twice'


def test_a_scheduler_that_may_execute_nothing_goes_on(kubernetes, made):
    scheduler = made(kubernetes, keep=True)
    kubernetes.refuses.add('exec')
    ends(kubernetes, 0)
    assert scheduler.looks() == [None]


@pytest.mark.parametrize('policy, code', [('Always', 0), ('Always', 1), ('OnFailure', 1)])
def test_a_task_that_starts_again_has_not_ended(kubernetes, made, policy, code):
    kubernetes.pods['its-pod'].spec.restart_policy = policy
    ends(kubernetes, code)
    assert made(kubernetes).looks() == []


@pytest.mark.parametrize(
    'containers',
    [
        [pods.container(), pods.container('istio-proxy')],
        [pods.container(exit_code=0), pods.container('other'), pods.container('istio-proxy')],
        [pods.container(exit_code=0), pods.container('other')],
        [pods.container('istio-proxy')],
        [],
    ],
)
def test_what_else_runs_is_waited_for(kubernetes, made, containers):
    kubernetes.becomes('its-pod', containers=containers)
    assert made(kubernetes).looks() == []
    assert 'its-pod' in kubernetes.pods
