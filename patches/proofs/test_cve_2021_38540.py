"""CVE-2021-38540: nobody may import Variables without the permission to create them."""
import io
import json
import re
from contextlib import contextmanager

import pytest

PASSWORD = 'not a secret'

# What each user of the proof may do, beside reading the website.
VARIABLE_RIGHTS = {
    'creator': ('can_create',),
    'editor': ('can_read', 'can_edit', 'can_delete'),
}


@pytest.fixture(scope='module')
def app():
    """The real web application, with one user per role that matters."""
    from airflow.www.app import create_app

    app = create_app()
    with app.app_context():
        security = app.appbuilder.sm
        for name, rights in VARIABLE_RIGHTS.items():
            role = security.add_role(name)
            security.add_permission_role(role, security.find_permission_view_menu('can_read', 'Website'))
            for right in rights:
                security.add_permission_role(role, security.find_permission_view_menu(right, 'Variables'))
        for role_name in ('Admin', 'Op', 'Viewer') + tuple(VARIABLE_RIGHTS):
            username = role_name.lower()
            email = username + '@example.invalid'
            role = security.find_role(role_name)
            assert security.add_user(username, role_name, 'Proof', email, role, PASSWORD)
    return app


@pytest.fixture(autouse=True)
def variables():
    """Reads all Variables; before each test there is just one."""
    from airflow.models import Variable
    from airflow.utils.session import create_session

    def read():
        with create_session() as session:
            return {variable.key: variable.get_val() for variable in session.query(Variable)}

    with create_session() as session:
        session.query(Variable).delete()
    Variable.set('existing', 'original')
    return read


@contextmanager
def browser(app, username=None):
    """A web client with what the login page gives to everybody, and a session if it can log in."""
    with app.test_client() as client:
        page = client.get('/login/').get_data(as_text=True)
        # CSRF protection stays on: the token is no obstacle, it comes with the anonymous login page.
        client.csrf_token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page).group(1)
        if username:
            form = {'username': username, 'password': PASSWORD, 'csrf_token': client.csrf_token}
            client.post('/login/', data=form)
            assert client.get('/home').status_code == 200, 'the user of the proof could not log in'
        yield client


def import_variables(client, content):
    """Sends the form of the Variables page."""
    return client.post(
        '/variable/varimport',
        data={
            'file': (io.BytesIO(json.dumps(content).encode('utf-8')), 'variables.json'),
            'csrf_token': client.csrf_token,
        },
        content_type='multipart/form-data',
    )


def test_an_anonymous_import_adds_nothing_and_leads_to_the_login_page(app, variables):
    with browser(app) as client:
        response = import_variables(client, {'added': 'by anybody'})

    assert variables() == {'existing': 'original'}
    assert response.status_code == 302
    assert '/login/' in response.headers['Location']


def test_an_anonymous_import_overwrites_nothing(app, variables):
    with browser(app) as client:
        import_variables(client, {'existing': 'by anybody'})

    assert variables() == {'existing': 'original'}


@pytest.mark.parametrize('username', ['viewer', 'editor'])
def test_a_user_without_the_create_permission_imports_nothing(app, variables, username):
    with browser(app, username) as client:
        response = import_variables(client, {'added': 'by ' + username, 'existing': 'by ' + username})

    assert variables() == {'existing': 'original'}
    assert response.status_code == 302
    assert '/login/' in response.headers['Location']


@pytest.mark.parametrize('username', ['admin', 'op', 'creator'])
def test_a_user_with_the_create_permission_still_imports(app, variables, username):
    with browser(app, username) as client:
        response = import_variables(client, {'added': 'by ' + username, 'number': 1})

    assert variables() == {'existing': 'original', 'added': 'by ' + username, 'number': '1'}
    assert '/login/' not in response.headers['Location']


def test_an_admin_still_overwrites_by_importing(app, variables):
    with browser(app, 'admin') as client:
        import_variables(client, {'existing': 'replaced'})

    assert variables() == {'existing': 'replaced'}
