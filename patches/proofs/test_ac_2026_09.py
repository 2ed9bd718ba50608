"""AC-2026-09: after a login, the interface without roles sends the browser to no other webserver."""
import importlib
import sys
import types

import pytest
import ui

pytestmark = pytest.mark.skipif(not ui.IS_1, reason='2.x has no such interface')

ELSEWHERE = [
    'https://evil.example/',
    '//evil.example/',
    'https:evil.example',
    'https:///evil.example',
    '\\\\evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    'http://localhost@evil.example/',
    'javascript:alert(1)',
    '\x1ajavascript:alert(1)',
]
HERE = '/admin/airflow/tree?dag_id=own'
LOGINS = ['password_auth', 'ldap_auth', 'kerberos_auth']
CALLBACKS = ['google_auth', 'github_enterprise_auth']


class Anything(types.ModuleType):
    """A library that these backends import: what they ask it for is not what is proven here."""

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return lambda *args, **kwargs: self

    # A class to derive from, or an instance that is called.
    def __call__(self, *args, **kwargs):
        return self


class Somebody(object):
    """Who has just said who he is."""

    is_active = is_authenticated = True
    is_anonymous = False

    def get_id(self):
        return '1'


@pytest.fixture(name='backend')
def fixture_backend(monkeypatch):
    """One of the backends of authentication, for which every name and password is right."""
    import airflow

    for name in ('flask_bcrypt', 'ldap3', 'ldap3.core', 'kerberos', 'flask_oauthlib', 'flask_oauthlib.client'):
        monkeypatch.setitem(sys.modules, name, Anything(name))
    for key in ('HOST', 'API_REV', 'CLIENT_ID', 'CLIENT_SECRET', 'OAUTH_CALLBACK_ROUTE', 'ALLOWED_TEAMS'):
        monkeypatch.setenv('AIRFLOW__GITHUB_ENTERPRISE__' + key, 'value')
    ui.app_of('www')

    def backend(name):
        module = importlib.import_module('airflow.contrib.auth.backends.' + name)
        monkeypatch.setattr(module, 'current_user', types.SimpleNamespace(is_authenticated=False))
        monkeypatch.setattr(module, 'authenticate', lambda *args: Somebody(), raising=False)
        for user in ('LdapUser', 'KerberosUser', 'GoogleUser', 'GHEUser'):
            if hasattr(module, user):
                right = types.SimpleNamespace(try_login=lambda *args: None, authenticate=lambda *args: None)
                stand_in = type(user, (), {'__new__': lambda cls, user: Somebody(), **vars(right)})
                monkeypatch.setattr(module, user, stand_in)
        monkeypatch.setattr(airflow, 'login', module)
        return module

    return backend


def after_login(module, target):
    """Where a browser is sent that has sent a name and a password, with `next` in the address of the page."""
    query = {} if target is None else {'next': target}
    form = {'username': 'somebody', 'password': ui.PASSWORD}
    return ui.app_of('www').test_client().post('/admin/airflow/login', query_string=query, data=form)


def after_callback(module, target):
    """Where a browser is sent that comes back from Google or GitHub, which hand on the `state`."""
    [kind] = [value for name, value in vars(module).items() if name.endswith('AuthBackend')]
    backend = kind()
    remote = types.SimpleNamespace(authorized_response=lambda: {'access_token': 'token'})
    backend.google_oauth = backend.ghe_oauth = remote
    backend.get_google_user_profile_info = lambda token: ('somebody', 'somebody@example.invalid')
    backend.get_ghe_user_profile_info = lambda token: ('somebody', 'somebody@example.invalid')
    backend.domain_check = lambda email: True
    backend.ghe_team_check = lambda username, token: True
    query = {} if target is None else {'state': target}
    with ui.app_of('www').test_request_context('/oauth2callback', query_string=query) as context:
        return context.app.make_response(backend.oauth_callback())


WAYS = [(name, after_login) for name in LOGINS] + [(name, after_callback) for name in CALLBACKS]


@pytest.mark.parametrize('target', ELSEWHERE)
@pytest.mark.parametrize('name, way', WAYS)
def test_no_other_host_is_gone_to_after_a_login(backend, name, way, target):
    response = way(backend(name), target)

    assert response.status_code == 302
    assert ui.destination(response.headers['Location']) == ui.HERE, 'the browser is sent to another webserver'


@pytest.mark.parametrize('name, way', WAYS)
def test_the_page_that_was_asked_for_is_still_gone_to(backend, name, way):
    location = way(backend(name), HERE).headers['Location']

    assert location in (HERE, ui.HOST + HERE)


@pytest.mark.parametrize('name, way', WAYS)
def test_who_asked_for_none_gets_to_the_list_of_dags(backend, name, way):
    location = way(backend(name), None).headers['Location']

    assert location in ('/admin/', ui.HOST + '/admin/')
