"""AC-2026-05: who may delete DAGs in general deletes only those that he may edit."""
import os

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


def test_no_dag_is_deleted_that_the_user_may_not_even_see(deleter):
    with ui.app_of(ui.RBAC).app_context():
        people.security().sync_perm_for_dag('other', {})
        role = people.security().find_role('deleter')
        right = people.security().find_permission_view_menu(ui.READ, 'DAG:other')
        people.security().del_permission_role(role, right)

    deleter.post('/delete', data={'dag_id': 'other'})

    assert 'other' in there() and ui.runs_of('other') == ui.UNTOUCHED, 'a DAG of others is deleted'


def test_the_list_offers_to_delete_only_what_may_be_deleted(deleter):
    page = deleter.get('/home').get_data(as_text=True)

    assert 'dag_id=own' in page
    assert '/delete?dag_id=own' in page
    assert '/delete?dag_id=other' not in page


def test_who_may_edit_the_dag_still_deletes_it(deleter):
    deleter.post('/delete', data={'dag_id': 'own'})

    assert there() == ['other']
    assert ui.runs_of('own') == ([], [])


def test_an_admin_still_deletes_any_dag():
    ui.client_of(ui.RBAC).post('/delete', data={'dag_id': 'other'})

    assert there() == ['own']
