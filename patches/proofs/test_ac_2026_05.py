"""AC-2026-05: who may delete DAGs in general deletes only those that he may edit."""
import contextlib
import os
import re

import people
import pytest
import ui

pytestmark = pytest.mark.skipif(ui.IS_1, reason='1.10 asks for edit rights on the DAG there')
GENERAL = [('can_edit', 'DAGs'), ('can_read', 'DAGs')]


@pytest.fixture(name='deleter', scope='module')
def fixture_deleter():
    """Somebody with all rights of Op, that to delete DAGs among them, who may edit `own` and read `other`."""
    browser = people.newcomer('deleter', people.role_like_op('deleter', without=GENERAL))
    with ui.app_of(ui.RBAC).app_context():
        people.security().sync_perm_for_dag('own', {'deleter': {ui.EDIT, ui.READ}})
        people.security().sync_perm_for_dag('other', {'deleter': {ui.READ}})
    return browser


@pytest.fixture(autouse=True)
def dags():
    from airflow.models import DagBag

    ui.app_of(ui.RBAC)
    DagBag(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], include_examples=False).sync_to_db()
    ui.reset_runs()


def there():
    from airflow.models import DagModel

    with ui._session() as session:
        return sorted(dag_id for dag_id, in session.query(DagModel.dag_id) if dag_id in ('own', 'other'))


WAYS = [
    {'query_string': {'dag_id': 'other'}},
    {'data': {'dag_id': 'other'}},
    {'query_string': {'dag_id': 'own'}, 'data': {'dag_id': 'other'}},
    {'query_string': {'dag_id': 'other'}, 'data': {'dag_id': 'own'}},
    {'query_string': 'dag_id=own&dag_id=other'},
    {'query_string': 'dag_id=other&dag_id=own'},
]


@pytest.mark.parametrize('way', WAYS, ids=str)
def test_no_dag_is_deleted_that_the_user_may_only_read(deleter, way):
    deleter.post('/delete', **way)

    assert 'other' in there() and ui.runs_of('other') == ui.UNTOUCHED, 'a DAG of others is deleted'


@pytest.fixture(name='unseen')
def fixture_unseen(deleter):
    """Nobody may read `other` but who may read all DAGs."""
    with ui.app_of(ui.RBAC).app_context():
        role = people.security().find_role('deleter')
        right = people.security().find_permission_view_menu(ui.READ, 'DAG:other')
        people.security().del_permission_role(role, right)
    yield
    with ui.app_of(ui.RBAC).app_context():
        people.security().sync_perm_for_dag('other', {'deleter': {ui.READ}})


def test_no_dag_is_deleted_that_the_user_may_not_even_see(deleter, unseen):
    deleter.post('/delete', data={'dag_id': 'other'})

    assert 'other' in there() and ui.runs_of('other') == ui.UNTOUCHED, 'a DAG of others is deleted'


# The generated ones of the list of DAGs. Where a DAG is serialized, SQLAlchemy refuses.
ROUTES = [('POST', '/dagmodel/delete/{}'), ('DELETE', '/dagmodel/api/delete/{}')]


@pytest.fixture(name='unserialized')
def fixture_unserialized():
    """Rows of DAGs as the scheduler leaves them whose files are gone."""
    from airflow.models.serialized_dag import SerializedDagModel

    with ui._session() as session:
        session.query(SerializedDagModel).delete()


def ask_for(client, method, path):
    """Whatever it is answered with, an exception included, is no concern of ours."""
    with contextlib.suppress(Exception):
        client.open(path, method=method)


@pytest.mark.parametrize('method, path', ROUTES)
def test_no_row_of_a_dag_is_deleted_that_the_user_may_only_read(deleter, unserialized, method, path):
    ask_for(deleter, method, path.format('other'))

    assert 'other' in there(), 'the row of a DAG of others is deleted'


@pytest.mark.parametrize('method, path', ROUTES)
def test_who_may_edit_the_dag_still_deletes_its_row(deleter, unserialized, method, path):
    ask_for(deleter, method, path.format('own'))

    assert there() == ['other']


@pytest.mark.parametrize('method, path', ROUTES)
def test_an_admin_still_deletes_any_row(unserialized, method, path):
    ask_for(ui.client_of(ui.RBAC), method, path.format('other'))

    assert there() == ['own']


CHANGES = [
    ('POST', '/dagmodel/edit/other'),
    ('PUT', '/dagmodel/api/update/other'),
    ('POST', '/dagmodel/add'),
    ('POST', '/dagmodel/api/create'),
]


@pytest.mark.parametrize('method, path', CHANGES)
def test_no_other_generated_route_changes_a_dag_that_the_user_may_only_read(deleter, unserialized, method, path):
    before = rows()

    with contextlib.suppress(Exception):
        deleter.open(path, method=method, data={'dag_id': 'other', 'owners': 'others', 'is_paused': 'y'})

    assert rows() == before


def rows():
    from airflow.models import DagModel

    with ui._session() as session:
        columns = DagModel.dag_id, DagModel.owners, DagModel.is_paused
        return sorted(map(repr, session.query(*columns)))


def test_the_list_offers_to_delete_only_what_may_be_deleted(deleter):
    page = deleter.get('/home').get_data(as_text=True)

    buttons = dict(re.findall(r'<a href="/delete\?dag_id=(\w+)"[^>]* class="([^"]*)"', page))
    assert sorted(buttons) == ['other', 'own'], page
    assert 'disabled' not in buttons['own']
    assert 'disabled' in buttons['other']


def test_who_may_edit_the_dag_still_deletes_it(deleter):
    deleter.post('/delete', data={'dag_id': 'own'})

    assert there() == ['other']
    assert ui.runs_of('own') == ([], [])


def test_an_admin_still_deletes_any_dag():
    ui.client_of(ui.RBAC).post('/delete', data={'dag_id': 'other'})

    assert there() == ['own']
