"""apache/airflow#24117: a task goes on whose pod was pickled by another version of the library for Kubernetes."""
import cluster  # noqa: F401
import pytest
import scheduling


class Model:
    """As the classes of the library are made: a property for each field, which is kept under another name."""

    openapi_types = {}

    def __init__(self, **values):
        self.local_vars_configuration = 'the default one'
        for name in self.openapi_types:
            setattr(self, '_' + name, values.get(name))

    def __getattr__(self, name):
        if name in self.openapi_types:
            return getattr(self, '_' + name)
        raise AttributeError(name)

    def to_dict(self):
        """Both its values and those of what is in it."""
        return {name: dict_of(getattr(self, '_' + name)) for name in self.openapi_types}

    def __eq__(self, other):
        return type(self) is type(other) and self.to_dict() == other.to_dict()


class V1Container(Model):
    openapi_types = {'name': 'str', 'image': 'str', 'startup_probe': 'V1Probe'}


class V1Pod(Model):
    openapi_types = {'containers': 'list[V1Container]', 'ephemeral_containers': 'list[V1Container]'}


def dict_of(value):
    if isinstance(value, list):
        return [dict_of(each) for each in value]
    return value.to_dict() if isinstance(value, Model) else value


def pod(lacking=()):
    """A pod as a version of the library makes it that does not know some fields."""
    made = V1Pod(containers=[V1Container(name='base', image='own')])
    for each in (made, made.containers[0]):
        for name in lacking:
            vars(each).pop(name, None)
    return made


OLD = ['_startup_probe', '_ephemeral_containers', 'local_vars_configuration']


@pytest.fixture(name='dag')
def fixture_dag():
    return scheduling.stored('own')


def read(dag, config):
    """The executor_config of a task as the database has it."""
    scheduling.run_of(dag, executor_config=config)
    return scheduling.task_of(dag.dag_id).executor_config


def outcome(function):
    """What a function says, or the error in which it ends, and the scheduler with it."""
    try:
        return function()
    except AttributeError as error:
        return error


@pytest.mark.parametrize('lacking', [OLD[:1], OLD[1:2], OLD])
def test_a_pod_has_what_it_lacked(dag, lacking):
    found = read(dag, {'pod_override': pod(lacking)})['pod_override']
    assert outcome(found.to_dict) == pod().to_dict(), 'no pod can be made of it'
    assert hasattr(found.containers[0], 'local_vars_configuration'), 'it cannot be changed'


def test_a_task_is_written_again(dag):
    from airflow.models import TaskInstance

    scheduling.run_of(dag, executor_config={'pod_override': pod(OLD)})

    def written():
        with scheduling.session() as session:
            ti = session.query(TaskInstance).filter_by(dag_id='own').one()
            ti.executor_config = {'pod_override': pod()}
        return 'written'

    assert outcome(written) == 'written', 'the scheduler ends when it compares what is there with what is to be'


@pytest.mark.parametrize(
    'config', [{}, None, {'pod_override': pod()}, {'KubernetesExecutor': {'image': 'own', 'volumes': [{'name': 'data'}]}}]
)
def test_others_are_read_as_they_were_written(dag, config):
    assert read(dag, config) == config


def test_what_holds_itself_can_be_read(dag):
    config = {'pod_template_file': '/own.yaml'}
    config['again'] = [config]
    found = read(dag, config)
    assert found['again'][0] is found
