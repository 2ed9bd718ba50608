"""Users, and who asks the REST API, for the proofs about rights and sessions; beside `ui`, whose applications they share."""
import base64
import contextlib

import ui


def security():
    """The security manager of the interface with roles; to be used within `ui.app_of(ui.RBAC).app_context()`."""
    return ui.app_of(ui.RBAC).appbuilder.sm


def newcomer(username, role='Admin'):
    """A browser in which a user of that role has just logged in, with no past: the one of this name is as new."""
    with ui.app_of(ui.RBAC).app_context():
        manager = security()
        user = manager.find_user(username)
        if user is None:
            email = username + '@example.invalid'
            assert manager.add_user(username, username, 'Proof', email, manager.find_role(role), ui.PASSWORD)
        else:
            user.active, user.roles = True, [manager.find_role(role)]
            manager.reset_password(user.id, ui.PASSWORD)
    ui.let_go()
    return log_in(username)


def log_in(username, password=ui.PASSWORD, client=None):
    """A browser, a new one if none is given, that has sent this name and password."""
    client = client or ui.app_of(ui.RBAC).test_client()
    client.post('/login/', data={'username': username, 'password': password})
    return client


def is_sent_to_login(response):
    """Whether this is what who is not logged in is answered."""
    return response.status_code in (301, 302) and '/login/' in response.headers['Location']


def api(username, method, path, accept='application/json', **values):
    """The response of the REST API to a user who gives his name and password, or to nobody when he has no name."""
    headers = {'Accept': accept}
    if username is not None:
        token = base64.b64encode('{}:{}'.format(username, ui.PASSWORD).encode()).decode()
        headers['Authorization'] = 'Basic ' + token
    return ui.app_of(ui.RBAC).test_client().open('/api/v1' + path, method=method, headers=headers, **values)


def public_api(monkeypatch):
    """From here on, everybody may do everything with the REST API. Anonymous visitors have no roles of their own."""
    import pytest
    from airflow.api.auth.backend import default

    app = ui.app_of(ui.RBAC)
    monkeypatch.setattr(app, 'api_auth', default)
    monkeypatch.setitem(app.config, 'AUTH_ROLE_PUBLIC', 'Admin')
    if api(None, 'GET', '/dags').status_code == 403:
        pytest.skip('this version lets no anonymous visitor do anything')


@contextlib.contextmanager
def forgotten(dag_id):
    """While this lasts, the list of DAGs does not hold that one: only its runs and tasks are left."""
    _rename(dag_id, 'forgotten')
    try:
        yield
    finally:
        _rename('forgotten', dag_id)


def _rename(before, after):
    from airflow.models import DagModel

    with ui._session() as session:
        session.query(DagModel).filter(DagModel.dag_id == before).update({'dag_id': after})


def role_like_op(name, without=(), plus=()):
    """A role with the rights of Op but those without, and with more; rights are (permission, what it is for)."""
    with ui.app_of(ui.RBAC).app_context():
        manager = security()
        role = manager.add_role(name)
        for right in manager.find_role('Op').permissions:
            if (right.permission.name, right.view_menu.name) not in without:
                manager.add_permission_role(role, right)
        for right in plus:
            manager.add_permission_role(role, manager.add_permission_view_menu(*right))
    ui.let_go()
    return name
