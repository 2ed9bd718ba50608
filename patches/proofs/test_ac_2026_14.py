"""AC-2026-14: the experimental API of 2.x, where it is on, asks a user for the rights that the stable one asks for."""
import base64
import os

import pytest

# Read while the application is made.
os.environ['AIRFLOW__API__ENABLE_EXPERIMENTAL_API'] = 'True'

import ui  # noqa: E402

only_2 = pytest.mark.skipif(ui.IS_1, reason='in 1.10 it is the only API, and knows no users with roles')
pytestmark = [pytest.mark.fresh_process, only_2]
DATE = ui.RUN_DATE.isoformat()
PAGES = [
    '/dags/{}/dag_runs',
    '/dags/{}/code',
    '/dags/{}/tasks/task',
    '/dags/{}/paused',
    '/dags/{}/dag_runs/' + DATE,
    '/dags/{}/dag_runs/' + DATE + '/tasks/task',
    '/lineage/{}/' + DATE,
]


@pytest.fixture(autouse=True)
def runs():
    from airflow.models import DagModel

    ui.reset_runs()
    with ui._session() as session:
        session.query(DagModel).update({'is_paused': False})


def api(username, method, path, **values):
    token = base64.b64encode('{}:{}'.format(username, ui.PASSWORD).encode()).decode()
    client = ui.app_of(ui.RBAC).test_client()
    return client.open('/api/experimental' + path, method=method, headers={'Authorization': 'Basic ' + token}, **values)


def paused():
    from airflow.models import DagModel

    with ui._session() as session:
        return sorted(dag_id for dag_id, is_paused in session.query(DagModel.dag_id, DagModel.is_paused) if is_paused)


@pytest.mark.parametrize('page', PAGES)
def test_nothing_of_a_dag_is_shown_to_who_may_not_read_it(page):
    response = api('owner', 'GET', page.format('other'))

    assert response.status_code == 403, 'the API shows a DAG that the user may not read'
    assert 'DummyOperator' not in response.get_data(as_text=True)


def test_the_latest_runs_are_only_those_of_dags_that_the_user_may_read():
    found = {item['dag_id'] for item in api('owner', 'GET', '/latest_runs').json['items']}

    assert found == {'own'}, 'the API tells of the runs of other DAGs'


@pytest.mark.parametrize('username', ['owner', 'reader', 'viewer'])
def test_no_dag_is_triggered_that_the_user_may_not_edit(username):
    response = api(username, 'POST', '/dags/other/dag_runs', json={})

    assert ui.runs_of('other') == ui.UNTOUCHED, 'the API triggers a DAG of others'
    assert response.status_code == 403


@pytest.mark.parametrize('method', ['GET', 'HEAD'])
@pytest.mark.parametrize('username', ['owner', 'reader', 'viewer'])
def test_no_dag_is_paused_that_the_user_may_not_edit(username, method):
    api(username, method, '/dags/other/paused/true')

    assert paused() == [], 'the API pauses a DAG of others'


@pytest.mark.parametrize('username', ['owner', 'reader', 'viewer'])
def test_no_dag_is_deleted_that_the_user_may_not_edit(username):
    api(username, 'DELETE', '/dags/other')

    assert ui.runs_of('other') == ui.UNTOUCHED, 'the API deletes a DAG of others'


def test_who_may_only_look_changes_no_pool():
    from airflow.models import Pool

    api('viewer', 'POST', '/pools', json={'name': 'pool', 'slots': 1, 'description': ''})
    api('viewer', 'DELETE', '/pools/pool')

    with ui._session() as session:
        assert [name for name, in session.query(Pool.pool)] == ['default_pool'], 'the API changes pools'


@pytest.mark.parametrize('username', ['owner', 'admin'])
def test_who_may_edit_a_dag_still_triggers_and_pauses_it(username):
    assert api(username, 'POST', '/dags/own/dag_runs', json={}).status_code == 200
    assert api(username, 'GET', '/dags/own/paused/true').status_code == 200

    assert len(ui.runs_of('own')[0]) == 2
    assert paused() == ['own']


@pytest.mark.parametrize('page', [page for page in PAGES if not page.endswith('/code')])
def test_who_may_read_a_dag_is_still_shown_it(page):
    assert api('owner', 'GET', page.format('own')).status_code == 200


@pytest.mark.parametrize('page', PAGES)
def test_an_admin_is_still_shown_everything(page):
    assert api('admin', 'GET', page.format('other')).status_code == 200


def test_a_file_with_a_dag_that_may_not_be_read_is_not_shown():
    assert api('owner', 'GET', '/dags/own/code').status_code == 403, 'the API shows the source of a DAG of others'
    assert 'DummyOperator' in api('reader', 'GET', '/dags/own/code').get_data(as_text=True)


def test_pools_are_still_shown_and_changed_by_who_may():
    assert api('owner', 'GET', '/pools').status_code == 200
    assert api('owner', 'POST', '/pools', json={'name': 'pool', 'slots': 1, 'description': ''}).status_code == 200
    assert api('owner', 'DELETE', '/pools/pool').status_code == 200


def test_who_says_no_name_is_still_let_in_where_everybody_is(monkeypatch):
    from airflow.api.auth.backend import default

    app = ui.app_of(ui.RBAC)
    monkeypatch.setattr(app, 'api_auth', default)

    assert app.test_client().get('/api/experimental/dags/other/paused').status_code == 200


def test_who_says_a_wrong_name_is_still_not_let_in():
    assert api('nobody', 'GET', '/test').status_code == 401
