"""apache/airflow#15204: `airflow kubernetes cleanup-pods` deletes pods of Airflow that have ended, and no others."""
import importlib
import re
import types

import cluster  # noqa: F401
import pytest

NONE = types.SimpleNamespace
LABELS = dict.fromkeys(['dag_id', 'task_id', 'execution_date', 'try_number', 'airflow_version'], 'one')
NAME = re.compile(r'([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?')


class Refused(Exception):
    """How Kubernetes answers what it does not understand."""


class Pods:
    """The pods of a namespace, listed two at a time and by the labels that they have to have."""

    def __init__(self):
        self.pods = []
        self.listed = []

    def add(self, name, labels=None, phase='Succeeded', reason=None):
        pod = NONE(metadata=NONE(name=name, labels=labels or {}), status=NONE(phase=phase, reason=reason))
        pod.spec = NONE(restart_policy='Never')
        self.pods.append(pod)

    def names(self):
        return [pod.metadata.name for pod in self.pods]

    def list_namespaced_pod(self, namespace, **query):
        # The client of Kubernetes sends whatever is named, in words.
        sent = {name.strip('_'): str(value) for name, value in query.items()}
        wanted = [word.strip() for word in sent.get('label_selector', '').split(',') if word.strip()]
        if not all(NAME.fullmatch(word) for word in wanted):
            raise Refused('unable to parse requirement: %r' % sent['label_selector'])
        if not re.fullmatch('[0-9]+', sent.get('continue', '0')):
            raise Refused('continue key is not valid: %r' % sent['continue'])
        begin = int(sent.get('continue', '0'))
        # Pages of one list know nothing of what is deleted meanwhile.
        self.listed = self.listed if begin else list(self.pods)
        found = [pod for pod in self.listed if set(wanted) <= set(pod.metadata.labels)]
        more = str(begin + 2) if len(found) > begin + 2 else None
        return NONE(items=found[begin : begin + 2], metadata=NONE(_continue=more))

    def delete(self, name, namespace):
        self.pods = [pod for pod in self.pods if pod.metadata.name != name]


@pytest.fixture(name='pods')
def fixture_pods(monkeypatch):
    command = importlib.import_module('airflow.cli.commands.kubernetes_command')
    pods = Pods()
    monkeypatch.setattr(command, 'get_kube_client', lambda: pods)
    monkeypatch.setattr(command, '_delete_pod', pods.delete)
    return pods


def clean():
    from airflow.cli import cli_parser

    args = cli_parser.get_parser().parse_args(['kubernetes', 'cleanup-pods', '--namespace', 'tasks'])
    try:
        args.func(args)
    except Refused as refusal:
        pytest.fail('Kubernetes has refused it: %s' % refusal)


def test_pods_of_airflow_that_have_ended_are_deleted(pods):
    pods.add('succeeded', LABELS)
    pods.add('failed', LABELS, phase='Failed')
    pods.add('evicted', LABELS, phase='Pending', reason='Evicted')
    pods.add('running', LABELS, phase='Running')
    pods.add('last', LABELS)
    clean()
    assert pods.names() == ['running']


def test_pods_of_others_are_not(pods):
    pods.add('job', {'app': 'backup'})
    pods.add('unlabelled')
    pods.add('alike', {'dag_id': 'one'})
    pods.add('task', LABELS)
    clean()
    assert pods.names() == ['job', 'unlabelled', 'alike']
