"""CVE-2023-36543: what a user sends as the task to begin at is a task, and no regular expression that keeps the webserver busy."""
import contextlib
import importlib
import json
import os
import re
import signal

import pytest
import ui

DAG_ID = 'long'
# Upstream of `a` * 40 + `b` stands another task; the other two only contain what its id consists of.
SLOW = 'a' * 40 + 'b'
TASKS = ['first', SLOW, 'first.with_dots', 'x_first']
EXPRESSIONS = ['(a+)+$', '([a-z]+)*c']
VIEWS = ['tree', 'graph', 'duration', 'tries', 'landing_times', 'gantt']
PLACES = [(name, view) for name in ui.UIS for view in VIEWS + ([] if ui.IS_1 else ['object/tree_data'])]


@pytest.fixture(name='dag', scope='module', autouse=True)
def fixture_dag():
    from airflow.models import DagBag

    for name in ui.UIS:
        ui.app_of(name)
    path = os.path.join(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], 'long.py')
    with open(path, 'w') as file:
        file.write(ui.DAGS.replace("('own', 'other')", "('long',)").replace("task_id='task', dag=dag", "task_id='root', dag=dag"))
        file.write('for task_id in {!r}:\n    DummyOperator(task_id=task_id, dag=dag) << dag.get_task("root")\n'.format(TASKS))
    bag = DagBag(path, include_examples=False)
    dag = bag.get_dag(DAG_ID)
    if ui.IS_1:
        dag.sync_to_db()
        for name in ui.UIS:
            views = importlib.import_module('airflow.{}.views'.format(name))
            views.dagbag.bag_dag(dag, parent_dag=dag, root_dag=dag)
    else:
        bag.sync_to_db()
    dag.create_dagrun(run_id='manual__1', execution_date=ui.RUN_DATE, state='running', external_trigger=True)
    return dag


class TooLong(BaseException):
    """Nobody takes it for an error of a page."""


@contextlib.contextmanager
def seconds(number):
    """At most so many seconds of the processor, as other programs may be busy as well."""

    def stop(*args):
        raise TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, number)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def answered(name, view, method='get', **values):
    """Whether a page is there before somebody would notice, and what it holds."""
    client = ui.client_of(name)
    values.setdefault('dag_id', DAG_ID)
    url = '/' + view if view.startswith('object/') else ui.url_of(name, view)
    if method == 'get':
        values['execution_date'] = ui.RUN_DATE.isoformat()
    try:
        with seconds(2):
            response = client.open(url, method=method.upper(), **{'data' if method == 'post' else 'query_string': values})
    except TooLong:
        return None
    return response


@pytest.mark.parametrize('name, view', PLACES)
def test_an_expression_does_not_keep_the_webserver_busy(name, view):
    response = answered(name, view, root=EXPRESSIONS[0])

    assert response is not None, 'the webserver was busy with an expression of a user'
    # 2.0.x has no data of a tree that is asked for alone.
    assert response.status_code == 200 or (view == 'object/tree_data' and response.status_code == 404)


@pytest.mark.parametrize('expression', EXPRESSIONS[1:] + ['(', '*', 'first\n'])
@pytest.mark.parametrize('name', ui.UIS)
def test_nor_does_another_and_none_is_an_error(name, expression):
    response = answered(name, 'graph', root=expression)

    assert response is not None, 'the webserver was busy with an expression of a user'
    assert response.status_code == 200, 'what is no task is an error of the webserver'


@pytest.mark.parametrize('name', ui.UIS)
def test_nor_does_one_that_names_the_task_to_clear(name):
    # The task must be one of the DAG; what is searched for is not.
    response = answered(name, 'clear', 'post', task_id='(a+)+$', execution_date=ui.RUN_DATE.isoformat(), origin='/')

    assert response is not None, 'the webserver was busy with an expression of a user'


def shown(name, root):
    """The tasks that the graph shows."""
    text = answered(name, 'graph', root=root).get_data(as_text=True)
    return sorted(json.loads(re.search('(?:const|var) tasks = (.*);', text).group(1)))


@pytest.mark.parametrize('name', ui.UIS)
@pytest.mark.parametrize('root, tasks', [('first', ['first', 'root']), ('first.with_dots', ['first.with_dots', 'root']), (SLOW, [SLOW, 'root'])])
def test_a_task_is_still_shown_with_what_is_upstream_of_it_and_nothing_else(name, root, tasks):
    assert shown(name, root) == sorted(tasks)
