"""apache/airflow#14323: a task with an executor_config that makes no pod fails, and the scheduler goes on."""
import importlib
import importlib.util

import cluster
import pytest
import scheduling


@pytest.fixture(name='executor')
def fixture_executor(monkeypatch):
    contributed = importlib.util.find_spec('airflow.executors.kubernetes_executor') is None
    kubernetes_executor = importlib.import_module('airflow.{}executors.kubernetes_executor'.format('contrib.' * contributed))

    def from_obj(config):
        """As PodGenerator, which raises for what is not as it should be."""
        if config and not isinstance(config, dict):
            raise TypeError('no dict')
        return config

    if not contributed:
        monkeypatch.setattr(kubernetes_executor.PodGenerator, 'from_obj', staticmethod(from_obj))
    monkeypatch.setenv('AIRFLOW__KUBERNETES__DAGS_IN_IMAGE', 'True')
    with cluster.short_paths():
        executor = kubernetes_executor.KubernetesExecutor()
        executor.command = ['airflow', 'run'] if contributed else ['airflow', 'tasks', 'run']
        executor.task_queue = scheduling.Remembers()
        executor.task_queue.put = executor.task_queue.told.append
        yield executor


def sent(executor, config):
    """What becomes of a task with that executor_config as the scheduler sends it; of the scheduler, if it ends."""
    try:
        executor.execute_async('key', executor.command, executor_config=config)
    except Exception as error:  # pylint: disable=broad-except
        return error
    state = executor.event_buffer.get('key', 'queued')
    return state if isinstance(state, str) else state[0]


def test_a_task_fails_of_whose_configuration_no_pod_can_be_made(executor):
    assert sent(executor, ['wrong']) == 'failed', 'the scheduler ends'
    assert executor.task_queue.told == []


@pytest.mark.skipif(importlib.util.find_spec('airflow.www_rbac') is not None, reason='1.10 has no such key')
def test_a_task_is_sent_with_its_own_template(executor):
    assert sent(executor, {'pod_template_file': '/own.yaml'}) == 'queued'
    assert executor.task_queue.told[0][-1] == '/own.yaml', 'the template of the task is not read'


def test_a_task_without_configuration_is_sent(executor):
    assert sent(executor, None) == 'queued'
