"""CVE-2023-50783: who may create Variables, but not edit them, overwrites none."""
import io
import json

import pytest
import ui
from people import api, newcomer, role_like_op

OLD = {'text': 'old', 'number': '1', 'name with blank': 'old', 'json': '{"is": "old"}'}


@pytest.fixture
def creator():
    """Somebody who may create Variables and read them, but not edit them."""
    role = role_like_op('creator', without=[('can_edit', 'Variables')])
    return newcomer('creator', role)


@pytest.fixture(autouse=True)
def variables():
    from airflow.models import Variable

    ui.app_of(ui.RBAC)
    with ui._session() as session:
        session.query(Variable).delete()
    for key, value in OLD.items():
        Variable.set(key, value)


def stored():
    from airflow.models import Variable

    with ui._session() as session:
        return {variable.key: variable.get_val() for variable in session.query(Variable)}


def upload(client, variables):
    file = io.BytesIO(json.dumps(variables).encode())
    return client.post('/variable/varimport', data={'file': (file, 'variables.json')}, follow_redirects=False)


NEW = {key: 'new' for key in OLD}


@pytest.mark.parametrize('key', OLD)
def test_an_import_does_not_overwrite(creator, key):
    response = upload(creator, {key: 'new'})

    assert stored() == OLD
    assert response.status_code == 302


@pytest.mark.parametrize('value', [7, None, True, ['new'], {'is': 'new'}])
def test_whatever_the_value_is(creator, value):
    upload(creator, {'text': value})

    assert stored() == OLD


@pytest.mark.parametrize('before', [True, False])
def test_new_ones_beside_old_ones_are_still_added(creator, before):
    """Setting one closes the session of the database; who asks for rights in between fails on the second."""
    fresh = {'first': 'a', 'second': 'b', 'third': 'c'}
    both = [fresh, NEW] if before else [NEW, fresh]
    merged = dict(both[0])
    merged.update(both[1])

    response = upload(creator, merged)

    assert stored() == dict(OLD, **fresh)
    assert response.status_code == 302


def test_the_user_is_told(creator):
    upload(creator, NEW)

    page = creator.get('/variable/list/').get_data(as_text=True)

    assert '4 variable(s) exist already' in page


@pytest.mark.parametrize('key', OLD)
def test_neither_does_the_api(creator, key):
    response = api('creator', 'POST', '/variables', json={'key': key, 'value': 'new'})

    assert stored() == OLD
    assert response.status_code == 403


def test_nor_does_the_form(creator):
    creator.post('/variable/add', data={'key': 'text', 'val': 'new'})

    assert stored() == OLD


def test_nor_do_the_ways_to_edit(creator):
    assert api('creator', 'PATCH', '/variables/text', json={'key': 'text', 'value': 'new'}).status_code == 403
    assert stored() == OLD


def test_new_ones_are_still_created(creator):
    response = api('creator', 'POST', '/variables', json={'key': 'fresh', 'value': 'a'})
    creator.post('/variable/add', data={'key': 'by form', 'val': 'b'})

    assert response.status_code == 200
    assert stored() == dict(OLD, **{'fresh': 'a', 'by form': 'b'})


@pytest.mark.parametrize('username', ['admin', 'owner'])
def test_who_may_edit_still_overwrites(username):
    upload(ui.client_of(ui.RBAC, username), NEW)
    assert stored() == NEW

    assert api(username, 'POST', '/variables', json={'key': 'text', 'value': 'newer'}).status_code == 200
    assert stored() == dict(NEW, text='newer')


def test_what_was_exported_is_still_imported():
    export = {'text': 'old', 'nested': {'is': ['kept']}}
    upload(ui.client_of(ui.RBAC), export)

    assert json.loads(stored()['nested']) == {'is': ['kept']}


def test_who_may_create_nothing_still_imports_nothing():
    upload(ui.client_of(ui.RBAC, 'viewer'), {'fresh': 'a'})

    assert stored() == OLD
