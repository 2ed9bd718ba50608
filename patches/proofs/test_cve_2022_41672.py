"""CVE-2022-41672: a user who has been deactivated does not go on with a session that is open."""
import pytest
import ui
from people import api, is_sent_to_login, newcomer, security

NAME = 'leaver'
PAGES = ['/home', '/tree?dag_id=own', '/dagrun/list/', '/users/userinfo/', '/pool/list/', '/variable/list/']
METHODS = ['GET', 'HEAD', 'POST']


@pytest.fixture
def leaver():
    """Somebody with all rights who is logged in."""
    return newcomer(NAME)


def set_active(active):
    """As the form of an administrator does it."""
    with ui.app_of(ui.RBAC).app_context():
        user = security().find_user(NAME)
        user.active = active
        security().update_user(user)
    ui.let_go()


@pytest.mark.parametrize('page', PAGES)
def test_a_deactivated_user_sees_no_page_any_more(leaver, page):
    assert leaver.get(page).status_code == 200
    set_active(False)

    response = leaver.get(page)

    assert response.status_code in (302, 401)
    assert NAME not in response.get_data(as_text=True)


@pytest.mark.parametrize('method', METHODS)
def test_he_is_sent_to_the_login_whatever_the_method(leaver, method):
    set_active(False)

    assert is_sent_to_login(leaver.open('/variable/add', method=method, data={'key': 'his', 'val': 'x'}))


@pytest.mark.parametrize('view', ['trigger', 'clear', 'success', 'delete'])
def test_he_changes_nothing(leaver, view):
    ui.reset_runs('failed')
    set_active(False)
    form = {'dag_id': 'own', 'task_id': 'task', 'execution_date': ui.RUN_DATE.isoformat(), 'confirmed': 'true'}

    response = leaver.post('/' + view, query_string={'dag_id': 'own'}, data=form)

    assert ui.runs_of('own') == (['failed'], ['failed'])
    assert is_sent_to_login(response)


def test_an_administrator_ends_the_session_by_the_form(leaver):
    with ui.app_of(ui.RBAC).app_context():
        user = security().find_user(NAME)
        form = {'first_name': NAME, 'last_name': 'Proof', 'username': NAME, 'email': user.email}
        form['roles'] = [str(role.id) for role in user.roles]
        path = '/users/edit/{}'.format(user.id)
    ui.let_go()

    ui.client_of(ui.RBAC).post(path, data=form)

    assert is_sent_to_login(leaver.get('/home'))


def test_a_token_of_a_deactivated_user_opens_nothing(leaver):
    body = {'username': NAME, 'password': ui.PASSWORD, 'provider': 'db', 'refresh': True}
    answer = ui.app_of(ui.RBAC).test_client().post('/api/v1/security/login', json=body)
    if answer.status_code == 404:
        pytest.skip('no tokens are given here')
    set_active(False)
    manager = security()

    with ui.app_of(ui.RBAC).app_context():
        assert manager.load_user_jwt(str(manager.find_user(NAME).id)) is None


def test_he_does_not_log_in_again(leaver):
    set_active(False)

    response = leaver.post('/login/', data={'username': NAME, 'password': ui.PASSWORD})

    assert is_sent_to_login(response) or response.status_code == 200
    assert is_sent_to_login(leaver.get('/home'))


@pytest.mark.skipif(ui.IS_1, reason='1.10 has no such API')
def test_the_api_refuses_him_as_well(leaver):
    assert api(NAME, 'GET', '/dags').status_code == 200
    set_active(False)

    assert api(NAME, 'GET', '/dags').status_code == 401
    # Nor with his session beside it.
    assert leaver.get('/api/v1/dags').status_code == 401


def test_others_go_on(leaver):
    set_active(False)

    for username in ('admin', 'viewer'):
        assert ui.client_of(ui.RBAC, username).get('/home').status_code == 200


def test_who_is_activated_again_works_again(leaver):
    set_active(False)
    leaver.get('/home')
    set_active(True)

    leaver.post('/login/', data={'username': NAME, 'password': ui.PASSWORD})

    assert leaver.get('/home').status_code == 200


def test_anonymous_visitors_still_reach_what_is_public():
    """They are not active either: who asks that of everybody locks the door to the login."""
    client = ui.app_of(ui.RBAC).test_client()

    assert client.get('/login/').status_code == 200
    assert client.get('/health').status_code == 200
    assert is_sent_to_login(client.get('/home'))
