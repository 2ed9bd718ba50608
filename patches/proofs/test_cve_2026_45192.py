"""CVE-2026-45192: the REST API gives nobody the secrets of a connection back, and keeps those that come back hidden."""
import json

import connections
import people
import pytest
import ui

SECRET = 'hunter2'
EXTRAS = [
    {'password': SECRET},
    {'slack_token': SECRET},
    {'private_key_passphrase': SECRET},
    {'account_key': SECRET},
    {'extra__google_cloud_platform__keyfile_dict': '{"private_key": "hunter2"}'},
    {'a': {'b': [{'clientSecret': SECRET}]}},
    {'tokens': [SECRET]},
    {'headers': {'Authorization': 'Basic hunter2'}},
    {'proxies': {'https': 'http://me:hunter2@host'}},
    {'endpoint': 'https://me:hunter2@host/path'},
    {'endpoint': 'https://host/path?token=hunter2'},
    {'config': '{"password": "hunter2"}'},
]
WHOLE = [SECRET, '"hunter2"', '["hunter2"]', '{"password": "hunter2"', '{"password": "hunter2", "password": ""}']
PATH = '/connections/mine'


def patch(data, username='admin', **values):
    return people.api(username, 'PATCH', PATH, json=data, **values)


@pytest.fixture(name='watcher', scope='module')
def fixture_watcher():
    """Somebody who may read connections, and not change them."""
    rights = [(right, 'Connections') for right in ('can_create', 'can_edit', 'can_delete')]
    people.newcomer('watcher', people.role_like_op('watchers', without=rights))
    return 'watcher'


@pytest.mark.parametrize('extra', EXTRAS)
def test_no_answer_holds_a_secret_and_what_comes_back_stays(extra):
    extra = dict(extra, region='north')
    connections.store('mine', json.dumps(extra))

    # Changing another field is enough to be shown all of them.
    first = patch({'host': 'one.invalid', 'conn_type': connections.TYPE, 'connection_id': 'mine'})
    assert first.status_code == 200
    assert SECRET not in first.get_data(as_text=True), 'the answer holds a secret of the extra'
    shown = first.json['extra']
    assert json.loads(shown)['region'] == 'north'

    second = patch({'extra': shown, 'connection_id': 'mine', 'conn_type': connections.TYPE})
    assert second.status_code == 200 and SECRET not in second.get_data(as_text=True)
    assert json.loads(connections.stored('mine')[0]) == extra
    changed = json.loads(shown)
    changed['region'] = 'south'
    assert patch({'extra': json.dumps(changed), 'connection_id': 'mine', 'conn_type': connections.TYPE}).status_code == 200
    assert json.loads(connections.stored('mine')[0]) == dict(extra, region='south')


@pytest.mark.parametrize('extra', EXTRAS)
def test_who_may_only_read_sees_what_is_no_secret(watcher, extra):
    connections.store('mine', json.dumps(dict(extra, region='north')))

    response = people.api(watcher, 'GET', PATH)

    assert response.status_code == 200
    assert SECRET not in response.get_data(as_text=True), 'the API shows a secret to who may only read'
    # 2.0.0 leaves the extra out.
    assert 'north' in response.json.get('extra', 'north')
    assert patch({'extra': '{}', 'connection_id': 'mine', 'conn_type': connections.TYPE}, watcher).status_code == 403


@pytest.mark.parametrize('extra', WHOLE)
def test_an_extra_that_is_no_json_object_is_hidden_as_a_whole(extra):
    connections.store('mine', extra)

    response = patch({'host': 'one.invalid', 'connection_id': 'mine', 'conn_type': connections.TYPE})
    assert SECRET not in response.get_data(as_text=True)
    assert SECRET not in people.api('admin', 'GET', PATH).get_data(as_text=True)
    patch({'extra': response.json['extra'], 'connection_id': 'mine', 'conn_type': connections.TYPE})

    assert connections.stored('mine')[0] == extra


def test_only_what_the_mask_of_an_update_names_is_changed():
    extra = json.dumps({'password': SECRET, 'region': 'north'})
    connections.store('mine', extra, host='before.invalid')
    body = {'extra': '{"password": "***", "region": "south"}', 'host': 'after.invalid', 'connection_id': 'mine', 'conn_type': connections.TYPE}

    assert patch(body, query_string={'update_mask': 'host'}).status_code == 200
    assert connections.stored('mine')[0] == extra and connections.stored('mine')[2] == 'after.invalid'
    assert patch(body, query_string={'update_mask': 'extra'}).status_code == 200
    assert json.loads(connections.stored('mine')[0]) == {'password': SECRET, 'region': 'south'}


@pytest.mark.parametrize('sent', ['{"passwd": "***"}', '{"region": "***"}', '{"password": "***",}', '***'])
def test_what_stands_for_no_secret_is_refused(sent):
    extra = json.dumps({'password': SECRET, 'region': 'north'})
    connections.store('mine', extra, host='before.invalid')

    response = patch({'extra': sent, 'host': 'after.invalid', 'connection_id': 'mine', 'conn_type': connections.TYPE})

    assert connections.stored('mine') == (extra, None, 'before.invalid'), 'a secret was overwritten'
    assert response.status_code == 400 and SECRET not in response.get_data(as_text=True)


def test_a_new_connection_is_stored_as_it_was_sent_and_its_secrets_are_not_repeated():
    connections.store('mine')
    with ui._session() as session:
        session.execute("DELETE FROM connection WHERE conn_id = 'mine'")
    body = {'connection_id': 'mine', 'conn_type': connections.TYPE, 'extra': '{"password": "hunter2", "a": 1}'}

    response = people.api('admin', 'POST', '/connections', json=body)

    assert response.status_code == 200
    assert connections.stored('mine')[0] == body['extra']
    assert SECRET not in response.get_data(as_text=True)


def test_a_hidden_extra_does_not_make_a_new_connection():
    connections.store('mine')
    body = {'connection_id': 'copy', 'conn_type': connections.TYPE, 'extra': '{"password": "***"}'}

    assert people.api('admin', 'POST', '/connections', json=body).status_code == 400
    assert connections.stored('copy') is None


@pytest.mark.parametrize('extra', ['{"password": "new"}', '{"password": ""}', '{}', '', None, 'another', '{"a": [1, {"token": "x"}]}'])
def test_an_extra_can_be_replaced_and_emptied(extra):
    connections.store('mine', json.dumps({'password': SECRET}))

    assert patch({'extra': extra, 'connection_id': 'mine', 'conn_type': connections.TYPE}).status_code == 200
    assert connections.stored('mine')[0] == extra


@pytest.mark.parametrize('extra', [None, '', '{}', '{"region": "north", "port": 5, "key_path": "/a"}', 'true'])
def test_what_holds_no_secret_is_shown_as_it_is_stored(extra):
    connections.store('mine', extra)

    response = patch({'host': 'one.invalid', 'connection_id': 'mine', 'conn_type': connections.TYPE})
    assert response.json['extra'] == extra
    assert response.json['host'] == 'one.invalid'
