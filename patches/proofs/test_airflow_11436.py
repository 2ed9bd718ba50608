"""apache/airflow#11436: Airflow starts with LDAP as backend of the API, which lets in who the directory knows."""
import base64
import os
import sys
import types

import pytest

pytestmark = pytest.mark.fresh_process

PEOPLE = {'ann': 'secret:word'}
# Read when Airflow is imported.
os.environ.update(
    AIRFLOW__API__AUTH_BACKEND='airflow.contrib.auth.backends.ldap_auth',
    AIRFLOW__CORE__SECURE_MODE='True',
    AIRFLOW__LDAP__URI='ldaps://directory.invalid',
    AIRFLOW__LDAP__BIND_USER='reader',
    AIRFLOW__LDAP__BIND_PASSWORD='reads',
    AIRFLOW__LDAP__BASEDN='dc=example',
    AIRFLOW__LDAP__CACERT='',
    AIRFLOW__LDAP__SEARCH_SCOPE='LEVEL',
)


class Connection:
    """A directory that takes a bind without password for an anonymous one, as many do."""

    last_error = 'invalid credentials'

    def __init__(self, server, dn, password):
        self.dn, self.password = dn, password
        self.response = []

    def bind(self):
        return not self.password or self.dn == 'reader' or PEOPLE.get(self.dn) == self.password

    def unbind(self):
        pass

    def search(self, base, words, search_scope, attributes=None):
        self.response = [{'dn': name} for name in PEOPLE if '={})'.format(name) in words]
        return bool(self.response)


@pytest.fixture(name='directory', autouse=True)
def fixture_directory(monkeypatch):
    """The library for LDAP, which is not installed everywhere, talks to a directory of this process."""
    library = types.ModuleType('ldap3')
    library.Server = library.Tls = lambda *args, **kwargs: None
    library.Connection = Connection
    library.set_config_parameter = lambda name, value: None
    library.LEVEL = library.SUBTREE = 'LEVEL'
    monkeypatch.setitem(sys.modules, 'ldap3', library)


def started():
    """What every command and the webserver import first."""
    try:
        from airflow.bin import cli
    except AttributeError as error:
        return str(error)
    return cli


def answer(login=None, scheme='Basic'):
    """What the API answers to a client with that login, of a name and a password."""
    started()
    from airflow.www.app import create_app

    headers = {}
    if login is not None:
        headers['Authorization'] = '{} {}'.format(scheme, base64.b64encode(login.encode()).decode())
    client = create_app(testing=True).test_client()
    return client.get('/api/experimental/test', headers=headers).status_code


def test_every_command_starts_with_ldap_as_backend_of_the_api():
    assert not isinstance(started(), str), 'no command starts: {}'.format(started())


@pytest.mark.parametrize(
    'login, status',
    [(None, 401), ('ann:secret:word', 200), ('ann:other', 403), ('bob:secret:word', 403), ('ann:', 401), ('ann', 401),
     (':', 401)],
)  # fmt: skip
def test_the_api_lets_in_who_the_directory_knows(login, status):
    assert not isinstance(started(), str), 'no command starts'
    assert answer(login) == status


def test_the_api_refuses_a_login_that_is_none():
    assert not isinstance(started(), str), 'no command starts'
    assert answer('ann:secret:word', scheme='Bearer') == 401
    from airflow.www.app import create_app

    client = create_app(testing=True).test_client()
    for header in ('Basic', 'Basic ann', 'Basic /w=='):
        assert client.get('/api/experimental/test', headers={'Authorization': header}).status_code == 401
