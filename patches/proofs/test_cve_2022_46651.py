"""CVE-2022-46651: the website gives nobody the secrets of a connection back, and keeps those that it does not show."""
import json
import os
import re
import sys

import connections
import pytest
import ui

# The provider below is to be there before Airflow looks for providers.
pytestmark = pytest.mark.fresh_process

SECRET = 'hunter2'
GOOGLE = 'extra__google_cloud_platform__'
PROVIDER = '''
def get_provider_info():
    return {
        'package-name': 'provider-of-the-proof',
        'name': 'Proof',
        'description': 'Proof',
        'versions': ['1.0.0'],
        'hook-class-names': ['provider_of_the_proof.Hook'],
    }


class Hook:
    conn_name_attr = 'conn_id'
    default_conn_name = 'google_cloud_default'
    conn_type = 'google_cloud_platform'
    hook_name = 'Google'

    def __init__(self, conn_id=None):
        pass

    @staticmethod
    def get_connection_form_widgets():
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from wtforms import PasswordField, StringField

        prefix = 'extra__google_cloud_platform__'
        return {
            prefix + 'project': StringField('Project', widget=BS3TextFieldWidget()),
            prefix + 'keyfile_dict': PasswordField('Keyfile', widget=BS3PasswordFieldWidget()),
        }

    @staticmethod
    def get_ui_field_behaviour():
        return {'hidden_fields': ['extra'], 'relabeling': {}}
'''

# Extras with a secret each.
EXTRAS = {
    'password': {'password': SECRET},
    'token': {'slack_token': SECRET},
    'client secret': {'clientSecret': SECRET},
    'access key': {'aws_secret_access_key': SECRET},
    'account key': {'account_key': SECRET},
    'passphrase': {'private_key_passphrase': SECRET},
    'private key': {'private_key': SECRET},
    'key by its content': {'key': '-----BEGIN RSA PRIVATE KEY-----\n' + SECRET},
    'keyfile': {GOOGLE + 'keyfile_dict': '{"private_key": "hunter2"}'},
    'text with JSON': {'config': '{"password": "hunter2"}'},
    'kube config': {'extra__kubernetes__kube_config': 'users:\n- user: hunter2'},
    'oauth': {'extra__yandexcloud__oauth': SECRET},
    'service account': {'extra__yandexcloud__service_account_json': '{"id": "hunter2"}'},
    'number': {'password': 1223334444},
    'list of secrets': {'passwords': [SECRET, 'another']},
    'mapping of secrets': {'secrets': {'one': SECRET}},
    'nested': {'a': {'b': [{'Password': SECRET}]}},
    'header': {'headers': {'Authorization': 'Basic hunter2'}},
    'header by its content': {'headers': {'X': 'Bearer hunter2'}},
    'proxies': {'proxies': {'http': 'http://me:hunter2@host'}},
    'URL': {'endpoint': 'https://me:hunter2@host/path'},
    'URL with a slash in it': {'endpoint': 'postgresql://me:hun/hunter2@host/path'},
    'URL with a token for user': {'repo': 'https://hunter2@host/path'},
    'URL in a text': {'note': 'see https://me:hunter2@host/path for more'},
    'URL without scheme': {'proxy_server': 'me:hunter2@host:3128'},
    'query of a URL': {'endpoint': 'https://host/path?a=b&token=hunter2'},
    'signature in a URL': {'endpoint': 'https://host/path?sp=r&sig=hunter2'},
    'connection string': {'url': 'Server=host;AccountKey=hunter2;Database=x'},
    'webhook': {'webhook_url': 'https://host/hunter2'},
}
# No JSON objects; the last two are objects that say a thing twice.
WHOLE = [SECRET, '"hunter2"', '["hunter2"]', '{"password": "hunter2"', 'password=hunter2', "{'a': 'hunter2'}", '{"password": "hunter2", "password": ""}', '{"a": {"password": "hunter2", "password": null}}']
VISIBLE = {
    'region_name': 'north',
    'port': 5432,
    'verify': False,
    'use_password': True,
    'no_token': None,
    'password': '',
    'keepalives_idle': 30,
    'role_arn': 'arn:aws:iam::1:role/x',
    'endpoint_url': 'https://host:443/path?a=b&c=d',
    'key_path': '/path/of/key.json',
    'certificate_file': '/path/of/certificate',
    'mail': 'somebody@example.invalid',
    'repo': 'git@example.invalid:a/b',
    'query': 'a = 1 and b : 2',
    'partition_key': 'day',
    'host_key': 'AAAA',
    'nested': {'a': [1, 'two', {'three': 3}]},
    'name': 'Grün',
}


def _install_provider():
    """Airflow 2 finds a provider whose connections have fields of their own; 1.10 has such fields built in."""
    folder = os.path.join(os.environ['AIRFLOW_HOME'], 'providers_of_the_proof')
    info = os.path.join(folder, 'provider_of_the_proof-1.0.0.dist-info')
    os.makedirs(info, exist_ok=True)
    texts = {
        os.path.join(folder, 'provider_of_the_proof.py'): PROVIDER,
        os.path.join(info, 'METADATA'): 'Metadata-Version: 2.1\nName: provider-of-the-proof\nVersion: 1.0.0\n',
        os.path.join(info, 'entry_points.txt'): '[apache_airflow_provider]\nprovider_info = provider_of_the_proof:get_provider_info\n',
    }
    for path, text in texts.items():
        with open(path, 'w') as file:
            file.write(text)
    sys.path.append(folder)


_install_provider()
# What an operator adds, as 2.1 and as the versions before call it.
ADDED = 'confidential'
os.environ['AIRFLOW__ADMIN__SENSITIVE_VARIABLE_FIELDS'] = os.environ['AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES'] = ADDED
EXTRAS['name that was added'] = {'my_confidential_value': SECRET}


def secret_of(extra):
    return '1223334444' if '1223334444' in json.dumps(extra) else SECRET


@pytest.mark.parametrize('name', sorted(EXTRAS))
@pytest.mark.parametrize('interface', ui.UIS)
def test_the_form_shows_no_secret_and_saving_it_keeps_all(interface, name):
    extra = dict(EXTRAS[name], region='north')
    connections.store('mine', json.dumps(extra), password='as before')

    page = connections.edit_page(interface, 'mine')
    assert secret_of(extra) not in page, 'the form shows a secret of the extra'
    assert 'north' in page
    connections.save(interface, 'mine', host='other.invalid')

    text, password, host = connections.stored('mine')
    assert json.loads(text) == extra and password == 'as before' and host == 'other.invalid'


@pytest.mark.parametrize('extra', WHOLE)
@pytest.mark.parametrize('interface', ui.UIS)
def test_an_extra_that_is_no_json_object_is_hidden_as_a_whole(interface, extra):
    connections.store('mine', extra)

    assert SECRET not in connections.edit_page(interface, 'mine')
    connections.save(interface, 'mine')

    assert connections.stored('mine')[0] == extra
    connections.save(interface, 'mine', extra='another')
    assert connections.stored('mine')[0] == 'another'


@pytest.mark.parametrize('interface', ui.UIS)
def test_single_fields_can_be_changed_added_removed_and_emptied(interface):
    before = {'password': SECRET, 'region': 'north', 'servers': [{'host': 'a', 'token': 'one'}, {'host': 'b', 'token': 'two'}]}
    changes = [
        ({'password': '***', 'region': 'south', 'servers': before['servers']}, {'region': 'south'}),
        ({'password': 'new', 'region': 'north'}, {'password': 'new', 'servers': None}),
        ({'password': '', 'region': 'north', 'more': 'x'}, {'password': '', 'more': 'x', 'servers': None}),
        ({'region': 'north', 'deep': {'password': 'p'}}, {'password': None, 'deep': {'password': 'p'}, 'servers': None}),
        (dict(before, password='***', servers=[{'host': 'b', 'token': '***'}]), {'servers': [{'host': 'b', 'token': 'two'}]}),
        (
            dict(before, servers=[{'host': 'b', 'token': '***'}, {'host': 'a', 'token': '***'}]),
            {'servers': before['servers'][::-1]},
        ),
        (
            dict(before, servers=[{'host': 'c', 'token': '***'}, {'host': 'b', 'token': 'three'}]),
            {'servers': [{'host': 'c', 'token': 'one'}, {'host': 'b', 'token': 'three'}]},
        ),
    ]
    for sent, difference in changes:
        connections.store('mine', json.dumps(before))
        connections.save(interface, 'mine', extra=json.dumps(sent, indent=1))
        after = {name: value for name, value in dict(before, **difference).items() if value is not None}
        assert json.loads(connections.stored('mine')[0]) == after


@pytest.mark.parametrize('interface', ui.UIS)
def test_an_extra_can_be_emptied_and_filled(interface):
    connections.store('mine', json.dumps({'password': SECRET}))
    connections.save(interface, 'mine', extra='')
    assert not connections.stored('mine')[0]

    connections.save(interface, 'mine', extra=json.dumps({'token': 'x'}))
    assert json.loads(connections.stored('mine')[0]) == {'token': 'x'}


@pytest.mark.parametrize(
    'sent',
    [
        '{"passwd": "***", "region": "south"}',
        '{"region": "***"}',
        '{"a": {"password": "***"}}',
        '{"password": "***",}',
        '***',
        '{"servers": [{"password": "***"}]}',
    ],
)
@pytest.mark.parametrize('interface', ui.UIS)
def test_what_stands_for_no_secret_is_not_taken_for_one(interface, sent):
    extra = json.dumps({'password': SECRET, 'region': 'north'})
    connections.store('mine', extra, host='before.invalid')

    page = connections.save(interface, 'mine', extra=sent, host='after.invalid')

    assert connections.stored('mine') == (extra, None, 'before.invalid'), 'a secret was overwritten'
    assert SECRET not in page and 'stands for a stored secret' in page


@pytest.mark.parametrize('interface', ui.UIS)
def test_the_field_of_a_kind_of_connection_keeps_its_secret_takes_another_and_can_be_emptied(interface):
    key = '{"private_key": "hunter2"}'
    extra = {GOOGLE + 'keyfile_dict': key, GOOGLE + 'project': 'north'}
    connections.store('google', json.dumps(extra), conn_type='google_cloud_platform')

    assert SECRET not in connections.edit_page(interface, 'google')
    for changes, kept in (
        ({}, key),
        ({GOOGLE + 'project': 'south'}, key),
        ({'extra': ''}, key),
        ({'port': 'no number'}, key),
        ({GOOGLE + 'keyfile_dict': 'another'}, 'another'),
        ({GOOGLE + 'keyfile_dict': ''}, ''),
    ):
        connections.save(interface, 'google', **changes)
        assert json.loads(connections.stored('google')[0])[GOOGLE + 'keyfile_dict'] == kept
    assert json.loads(connections.stored('google')[0])[GOOGLE + 'project'] == 'south'


@pytest.mark.parametrize('interface', ui.UIS)
def test_a_form_that_is_shown_again_shows_a_new_secret_as_little_and_loses_no_old_one(interface):
    extra = {GOOGLE + 'keyfile_dict': SECRET, GOOGLE + 'project': 'north'}
    connections.store('google', json.dumps(extra), conn_type='google_cloud_platform')

    page = connections.save(interface, 'google', port='no number')
    fields = connections.Form(page).values
    assert fields.get('port') == 'no number'
    fields.update(port='1')
    ui.client_of(interface).post(connections.edit_url(interface, 'google'), data=fields)
    assert json.loads(connections.stored('google')[0])[GOOGLE + 'keyfile_dict'] == SECRET

    page = connections.save(interface, 'google', port='no number', **{GOOGLE + 'keyfile_dict': 'brand new'})
    assert 'brand new' not in page


@pytest.mark.parametrize('interface', ui.UIS)
def test_a_connection_that_becomes_of_another_kind_keeps_its_secrets(interface):
    extra = {GOOGLE + 'keyfile_dict': SECRET, GOOGLE + 'project': 'north'}
    connections.store('google', json.dumps(extra), conn_type='google_cloud_platform')

    connections.save(interface, 'google', conn_type=connections.TYPE)

    assert json.loads(connections.stored('google')[0]) == extra


@pytest.mark.parametrize('interface', ui.UIS)
def test_what_is_no_secret_is_shown_as_it_is_stored(interface):
    text = json.dumps(VISIBLE, indent=4, ensure_ascii=False)
    connections.store('mine', text)

    shown = connections.Form(connections.edit_page(interface, 'mine')).values

    assert shown.get('extra', '').replace('\r', '') == text
    connections.save(interface, 'mine')
    assert json.loads(connections.stored('mine')[0]) == VISIBLE


@pytest.mark.parametrize('interface', ui.UIS)
def test_an_operator_may_have_all_of_an_extra_shown(interface, monkeypatch):
    from airflow import settings

    option = 'HIDE_SENSITIVE_VARIABLE_FIELDS' if ui.IS_1 else 'HIDE_SENSITIVE_VAR_CONN_FIELDS'
    monkeypatch.setattr(settings, option, False, raising=False)
    extra = '{"password": "***", "token": "hunter2"}'
    connections.store('mine', extra)

    assert SECRET in connections.edit_page(interface, 'mine')
    connections.save(interface, 'mine', extra=extra + ' ')
    assert connections.stored('mine')[0] == extra + ' '


@pytest.mark.parametrize('text', ['True', 'False', '', '{}'])
@pytest.mark.parametrize('interface', ui.UIS)
def test_extras_that_can_hold_no_secret_are_shown(interface, text):
    connections.store('mine', text)

    assert connections.Form(connections.edit_page(interface, 'mine')).values.get('extra') == text


@pytest.mark.parametrize('interface', ui.UIS)
def test_new_connections_are_stored_as_they_are_entered(interface):
    connections.store('new')
    address = '/connection/add' if interface == ui.RBAC else '/admin/connection/new/'
    page = ui.client_of(interface).get(address).get_data(as_text=True)
    fields = connections.Form(page).values
    fields.update(conn_id='new-' + interface, conn_type=connections.TYPE, extra='{"password": "hunter2", "a": 1}', password='p')
    ui.client_of(interface).post(address, data=fields)

    assert connections.stored('new-' + interface)[:2] == ('{"password": "hunter2", "a": 1}', 'p')


@pytest.mark.parametrize('method,path', [('PUT', '/api/update/{}'), ('GET', '/api/get/{}'), ('GET', '/show/{}'), ('GET', '/api/read'), ('GET', '/list/')])
def test_no_other_answer_of_the_view_holds_extra_or_password(method, path):
    connections.store('mine', json.dumps({'password': 'hunter2', 'unusual': 'hunter3'}), password='hunter4')
    values = {'data': {'conn_id': 'mine', 'conn_type': connections.TYPE, 'host': 'new.invalid'}} if method == 'PUT' else {}

    url = '/connection' + path.format(connections.key_of('mine'))
    text = ui.client_of(ui.RBAC).open(url, method=method, **values).get_data(as_text=True)

    assert 'hunter' not in text, 'FAB shows secrets of a connection'
    if method == 'PUT':
        assert connections.stored('mine')[2] == 'new.invalid', 'it can still be changed that way'


@pytest.fixture(name='plain')
def fixture_plain():
    """Two connections as they are stored where there is no Fernet key."""
    from airflow.models import Connection

    for conn_id, value in (('guess-a', 'hunter2'), ('guess-b', 'sesame')):
        connections.store(conn_id)
        with ui._session() as session:
            row = session.query(Connection).filter(Connection.conn_id == conn_id).one()
            row._extra, row._password, row.is_encrypted, row.is_extra_encrypted = value, value, False, False


def listed(**values):
    page = ui.client_of(ui.RBAC).get('/connection/list/', query_string=values).get_data(as_text=True)
    return re.findall('>\\s*(guess-[ab])\\s*<', page)


@pytest.mark.parametrize('column', ['extra', 'password', '_extra', '_password'])
def test_nobody_can_search_for_what_a_secret_begins_with_or_sort_by_it(plain, column):
    search = '_flt_0_' + column
    assert listed(**{search: 'hun'}) == listed(**{search: 'wrong'}), 'the list tells right guesses from wrong ones'
    order = {'_oc_ConnectionModelView': column}
    assert listed(_od_ConnectionModelView='asc', **order) == listed(_od_ConnectionModelView='desc', **order)


def test_lists_can_be_searched_and_sorted_by_what_they_show(plain):
    assert listed(_flt_0_conn_id='guess-a') == ['guess-a']
    order = {'_oc_ConnectionModelView': 'conn_id'}
    assert listed(_od_ConnectionModelView='desc', **order) == ['guess-b', 'guess-a']
