"""apache/airflow#13929: tasks end without an error where errors are sent to Sentry."""
import contextlib
import os
import sys
import types

import pytest
import scheduling

# Whether errors are sent is decided when Airflow is imported.
pytestmark = pytest.mark.fresh_process
os.environ['AIRFLOW__SENTRY__SENTRY_ON'] = 'True'

SENT, CRUMBS, TAGS = [], [], {}


@contextlib.contextmanager
def scope():
    """What is known of errors in some part."""
    yield types.SimpleNamespace(set_tag=lambda name, value: TAGS.update({name: value}))


# Sentry's library, as far as Airflow calls it.
LIBRARY = {
    'blinker': {'signal': None},
    'sentry_sdk': {
        'init': lambda **kwargs: None,
        'flush': lambda: None,
        'push_scope': scope,
        'configure_scope': scope,
        'add_breadcrumb': lambda data, **kwargs: CRUMBS.append(data),
        'capture_exception': SENT.append,
    },
    'sentry_sdk.integrations': {},
    'sentry_sdk.integrations.flask': {'FlaskIntegration': object},
    'sentry_sdk.integrations.logging': {'ignore_logger': lambda name: None},
}
for module_name, values in LIBRARY.items():
    sys.modules[module_name] = types.ModuleType(module_name)
    vars(sys.modules[module_name]).update(values)


@pytest.fixture(autouse=True)
def fixture_nothing():
    for kept in (SENT, CRUMBS, TAGS):
        kept.clear()


def begun(dag_id, **kwargs):
    """A task that may run."""
    dag = scheduling.stored(dag_id, ['task'], **kwargs)
    ti = scheduling.run_of(dag)
    ti.task = dag.get_task('task')
    return ti


def error_of(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:  # pylint: disable=broad-except
        return error
    return None


def test_a_task_ends_without_an_error():
    ti = begun('own')
    assert error_of(ti.run) is None, 'the process of the task ends in an error'
    assert scheduling.task_of('own').state == 'success'
    assert not SENT


@pytest.mark.parametrize('by', ['its place', 'its name', 'nothing'])
def test_the_session_is_given_by(by):
    ti = begun('own')
    with scheduling.session() as session:
        args, kwargs = {'its place': ((session,), {}), 'its name': ((), {'session': session}), 'nothing': ((), {})}[by]
        assert error_of(ti._run_mini_scheduler_on_child_tasks, *args, **kwargs) is None
    assert not SENT


def test_the_error_of_a_task_is_sent(monkeypatch):
    from airflow.operators.dummy_operator import DummyOperator

    wrong = ValueError('wrong')

    def execute(self, context):
        raise wrong

    ti = begun('own')
    monkeypatch.setattr(DummyOperator, 'execute', execute)

    assert error_of(ti.run) is wrong

    assert SENT == [wrong]
    assert (TAGS['dag_id'], TAGS['task_id'], TAGS['operator']) == ('own', 'task', 'DummyOperator')
    assert [crumb['task_id'] for crumb in CRUMBS] == ['task'], 'those that have ended in this run'


def test_arguments_that_are_wrong_are_an_error():
    ti = begun('own')
    assert isinstance(error_of(ti._run_raw_task, nothing=True), TypeError)
