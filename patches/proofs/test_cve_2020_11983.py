"""CVE-2020-11983: lists and rendered templates show stored text as text."""
import html
import importlib

import pytest
import ui

SCRIPT = '<script>alert(1)</script>'
ATTACKS = [SCRIPT, '<img src=x onerror=alert(1)>', '"><svg onload=alert(1)>', "'><b>bold</b>"]


@pytest.fixture(autouse=True)
def runs():
    ui.reset_runs()


def page_of(path, name=ui.RBAC, **query):
    response = ui.client_of(name).get(path, query_string=query)
    assert response.status_code == 200
    return response.get_data(as_text=True)


def is_text(attack, page):
    """It is not on the page as it is, but as a browser shows it."""
    return attack not in page and attack in html.unescape(page)


def store(*rows):
    with ui._session() as session:
        for row in rows:
            session.query(type(row)).delete()
        session.add_all(rows)


@pytest.mark.parametrize('attack', ATTACKS)
def test_text_of_a_connection_is_text(attack):
    from airflow.models import Connection

    store(Connection(conn_id='id ' + attack, conn_type='http', host='host ' + attack))

    page = page_of('/connection/list/')

    assert is_text('id ' + attack, page)
    assert is_text('host ' + attack, page)


@pytest.mark.parametrize('attack', ATTACKS)
def test_text_of_a_variable_is_text(attack):
    from airflow.models import Variable

    store(Variable(key='key ' + attack, val='val ' + attack))

    page = page_of('/variable/list/')

    assert is_text('key ' + attack, page)
    assert is_text('val ' + attack, page)


@pytest.mark.parametrize('attack', ATTACKS)
def test_text_of_the_log_is_text(attack):
    """Whoever sends a request writes here, with the parameters of the request."""
    from airflow.models import Log

    store(Log('event ' + attack, None, 'owner ' + attack, 'extra ' + attack))

    page = page_of('/log/list/')

    for name in ('event ', 'owner ', 'extra '):
        assert is_text(name + attack, page)


@pytest.mark.parametrize('attack', ATTACKS)
def test_the_configuration_and_id_of_a_run_are_text(attack):
    """Whoever may trigger a DAG chooses them."""
    from airflow.models import DagRun

    with ui._session() as session:
        for run in session.query(DagRun):
            run.conf = {'key': attack}
            run.run_id = 'run {} {}'.format(run.dag_id, attack)

    page = page_of('/dagrun/list/')

    assert is_text('run own ' + attack, page)
    assert attack not in page


@pytest.mark.parametrize('attack', ATTACKS)
def test_names_of_a_job_are_text(attack):
    from airflow.jobs import BaseJob

    with ui._session() as session:
        session.query(BaseJob).delete()
        values = {'dag_id': 'own', 'hostname': 'host ' + attack, 'unixname': 'name ' + attack}
        session.execute(BaseJob.__table__.insert().values(job_type='BackfillJob', **values))

    page = page_of('/job/list/')

    assert attack not in page
    assert is_text('name ' + attack, page)


def rendered(name, **fields):
    """The page of rendered templates of a task that has these."""
    from airflow import DAG
    from airflow.models import BaseOperator

    ui.app_of(name)

    class Templated(BaseOperator):
        template_fields = tuple(fields)

        def execute(self, context):
            pass

    dag = DAG('templated', start_date=ui.RUN_DATE)
    task = Templated(task_id='task', dag=dag, owner='somebody')
    for field, value in fields.items():
        setattr(task, field, value)
    views = importlib.import_module('airflow.{}.views'.format(name))
    views.dagbag.bag_dag(dag, parent_dag=dag, root_dag=dag)
    query = {'dag_id': 'templated', 'task_id': 'task', 'execution_date': ui.RUN_DATE.isoformat()}
    return page_of(ui.url_of(name, 'rendered'), name, **query)


@pytest.mark.parametrize('attack', ATTACKS)
@pytest.mark.parametrize('name', ui.UIS)
def test_a_rendered_template_is_text(name, attack):
    page = rendered(name, plain='plain ' + attack)

    assert is_text('plain ' + attack, page)


@pytest.mark.parametrize('attack', ATTACKS)
@pytest.mark.parametrize('name', ui.UIS)
def test_so_are_the_parts_of_one_that_is_highlighted(name, attack):
    page = rendered(name, sql={'key ' + attack: 'SELECT 1'}, bash_command=['echo 1 ' + attack])

    assert attack not in page
    assert 'key ' + attack in html.unescape(page)


@pytest.mark.parametrize('name', ui.UIS)
def test_highlighted_code_is_still_html(name):
    page = rendered(name, sql='SELECT 1')

    assert '<span' in page.partition('class="highlight"')[2]
    assert '&lt;span' not in page


def test_what_formatters_make_is_still_html():
    """Links, states and dates of the lists."""
    page = page_of('/dagrun/list/')

    assert '<span class="label"' in page
    assert 'href="/graph?dag_id=own' in page or "href='/graph?dag_id=own" in page
    assert '&lt;a ' not in page
    assert '&lt;nobr&gt;' not in page


@pytest.mark.parametrize('page', ['/taskinstance/list/', '/job/list/', '/pool/list/', '/slamiss/list/', '/users/list/'])
def test_no_list_shows_its_own_html_as_text(page):
    from airflow.jobs import BaseJob

    with ui._session() as session:
        session.query(BaseJob).delete()

    assert '&lt;' not in page_of(page).replace('&lt;string&gt;', '')
