"""apache/airflow#15199: the graph of a DAG shows, although the executor_config of a task has objects of Kubernetes."""
import importlib
import json

import cluster  # noqa: F401
import pytest
import scheduling
import ui


class V1ResourceRequirements:
    """As the class of the library is made."""

    openapi_types = {'limits': 'dict(str, str)', 'requests': 'dict(str, str)'}

    def __init__(self, **values):
        self.local_vars_configuration = 'the default one'
        for name in self.openapi_types:
            setattr(self, '_' + name, values.get(name))


class Api:
    @staticmethod
    def sanitize_for_serialization(obj):
        """What Kubernetes is told of an object."""
        return {name: vars(obj)['_' + name] for name in obj.openapi_types if vars(obj)['_' + name] is not None}


REQUESTS = {'requests': {'cpu': '1'}}


@pytest.fixture(name='shown')
def fixture_shown(monkeypatch):
    """Asks for a page about the run of a DAG whose task has an executor_config."""
    from airflow.kubernetes import pod_generator
    from airflow.models import DagBag

    ui.app_of(ui.RBAC)
    monkeypatch.setattr(importlib.import_module('kubernetes.client.api_client'), 'ApiClient', Api)
    monkeypatch.setattr(pod_generator, 'ApiClient', Api)
    library = importlib.import_module('kubernetes.client.models')
    monkeypatch.setattr(importlib.import_module('airflow.utils.json'), 'k8s', library, raising=False)
    dag = DagBag(include_examples=False).dags['own']

    def shown(name, page, config):
        scheduling.run_of(dag, executor_config=config)
        query = {'dag_id': 'own', 'execution_date': scheduling.DAY.isoformat()}
        return ui.client_of(name).get(ui.url_of(name, page), query_string=query)

    return shown


CONFIGS = {
    'resources': {'KubernetesExecutor': {'resources': V1ResourceRequirements(**REQUESTS)}},
    'in a list': {'KubernetesExecutor': {'resources': [V1ResourceRequirements(**REQUESTS)]}},
}


@pytest.mark.parametrize('name', ui.UIS)
@pytest.mark.parametrize('config', list(CONFIGS.values()), ids=list(CONFIGS))
def test_the_graph_shows(shown, name, config):
    assert shown(name, 'graph', config).status_code == 200, 'the page ends in an error'


@pytest.mark.parametrize('name', ui.UIS)
def test_its_tasks_can_be_asked_for(shown, name):
    answer = shown(name, 'object/task_instances', CONFIGS['resources'])
    assert answer.status_code == 200, 'the graph stays as it is'
    config = json.loads(answer.get_data(as_text=True))['task']['executor_config']
    assert config == {'KubernetesExecutor': {'resources': REQUESTS}}


@pytest.mark.parametrize('name', ui.UIS)
@pytest.mark.parametrize('config', [{}, {'KubernetesExecutor': {'request_cpu': '1', 'volumes': [{'name': 'data'}]}}])
def test_what_has_no_such_objects_is_told_as_it_is(shown, name, config):
    assert shown(name, 'graph', config).status_code == 200
    answer = shown(name, 'object/task_instances', config)
    assert json.loads(answer.get_data(as_text=True))['task']['executor_config'] == config
