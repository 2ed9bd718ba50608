"""apache/airflow#10942: the log of a running task is read from its pod, also when the name of that is a long one."""
import cluster  # noqa: F401
import pytest
import scheduling

LONG = 'a' * 63
NAMESPACE = 'default'


class Pod:
    def __init__(self, name):
        self.metadata = type('Metadata', (), {'name': name})


class Cluster:
    """Has pods, and knows the log of each."""

    def __init__(self, *names):
        self.names = names

    def list_namespaced_pod(self, namespace):
        assert namespace == NAMESPACE
        return type('List', (), {'items': [Pod(name) for name in self.names]})

    def read_namespaced_pod_log(self, name, namespace, **kwargs):
        assert namespace == NAMESPACE
        if name not in self.names:
            raise LookupError('pods "{}" not found'.format(name))
        return [b'the log of ' + name.encode()]


def shown(monkeypatch, hostname, *names):
    """The log of a task that runs on a host, in a cluster with these pods."""
    from airflow.kubernetes import kube_client
    from airflow.models import DAG
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.utils import timezone
    from airflow.utils.log.file_task_handler import FileTaskHandler

    monkeypatch.setattr(kube_client, 'get_kube_client', lambda: Cluster(*names))
    monkeypatch.setenv('AIRFLOW__CORE__EXECUTOR', 'KubernetesExecutor')
    dag = DAG('own', start_date=timezone.datetime(2021, 6, 1), schedule_interval=None)
    DummyOperator(task_id='task', dag=dag)
    dag.sync_to_db()
    instance = scheduling.run_of(dag, state='running', hostname=hostname)
    instance.task = dag.get_task('task')
    handler = FileTaskHandler('/nowhere', '{dag_id}/{task_id}/{execution_date}/{try_number}.log')
    log = str(handler._read(instance, 1)[0])
    assert scheduling.task_of('own').hostname == hostname
    return log


def test_the_log_of_a_pod_with_a_long_name_is_read(monkeypatch):
    log = shown(monkeypatch, LONG, LONG + '-and-more', 'another')
    assert 'the log of ' + LONG + '-and-more' in log, 'the log is not found'


@pytest.mark.parametrize('name', ['short', LONG])
def test_the_log_of_a_pod_with_the_name_of_its_host_is_read(monkeypatch, name):
    assert 'the log of ' + name in shown(monkeypatch, name, name, 'another')


def test_no_log_is_taken_for_another(monkeypatch):
    log = shown(monkeypatch, LONG, LONG + '-one', LONG + '-two')
    assert 'the log of' not in log and 'Unable to fetch logs' in log
    assert 'Unable to fetch logs' in shown(monkeypatch, 'short', 'short-name')
