"""CVE-2023-40273: a new password ends the sessions that began with the old one."""
import pytest
import ui
from people import is_sent_to_login, log_in, newcomer, security

NAME, NEW = 'victim', 'another password'
PAGES = ['/home', '/tree?dag_id=own', '/dagrun/list/', '/users/userinfo/', '/variable/list/']


@pytest.fixture
def stolen():
    """The session of somebody with all rights, in the hands of somebody else."""
    return newcomer(NAME)


def id_of(username):
    with ui.app_of(ui.RBAC).app_context():
        return security().find_user(username).id


def reset_by_code(user_id, password):
    with ui.app_of(ui.RBAC).app_context():
        security().reset_password(user_id, password)
    ui.let_go()


def reset_by_form(user_id, password):
    form = {'password': password, 'conf_password': password}
    ui.client_of(ui.RBAC).post('/resetpassword/form', query_string={'pk': user_id}, data=form)


def reset_in_database(user_id, password):
    """As tools do it that know nothing of what the website does."""
    from werkzeug.security import generate_password_hash

    with ui.app_of(ui.RBAC).app_context():
        user = security().get_user_by_id(user_id)
        user.password = generate_password_hash(password)
        security().get_session.commit()
    ui.let_go()


RESETS = [reset_by_code, reset_by_form, reset_in_database]


def is_in(client):
    return client.get('/home').status_code == 200


@pytest.mark.parametrize('reset', RESETS)
def test_a_new_password_ends_the_session(stolen, reset):
    assert is_in(stolen)
    reset(id_of(NAME), NEW)

    assert is_sent_to_login(stolen.get('/home'))
    assert is_in(log_in(NAME, NEW))


@pytest.mark.parametrize('page', PAGES)
@pytest.mark.parametrize('method', ['GET', 'HEAD'])
def test_no_page_is_shown_any_more(stolen, page, method):
    reset_by_code(id_of(NAME), NEW)

    assert is_sent_to_login(stolen.open(page, method=method))


def test_nothing_is_changed_any_more(stolen):
    ui.reset_runs('failed')
    reset_by_code(id_of(NAME), NEW)
    form = {'dag_id': 'own', 'task_id': 'task', 'execution_date': ui.RUN_DATE.isoformat(), 'confirmed': 'true'}

    for view in ('trigger', 'clear', 'delete'):
        stolen.post('/' + view, query_string={'dag_id': 'own'}, data=form)

    assert ui.runs_of('own') == (['failed'], ['failed'])


def test_a_session_that_was_not_used_before_the_reset_ends_too():
    """Who marks a session only when it comes back marks a stolen one with the new password."""
    newcomer(NAME)
    unused = log_in(NAME)
    reset_by_code(id_of(NAME), NEW)

    assert not is_in(unused)
    assert not is_in(unused)


def cookie_of(client):
    return [cookie.value for cookie in client.cookie_jar if cookie.name == 'session'][0]


def test_a_copy_of_an_old_cookie_is_worth_nothing_after_the_next_login(stolen):
    copy = cookie_of(stolen)
    reset_by_code(id_of(NAME), NEW)
    log_in(NAME, NEW, client=stolen)
    assert is_in(stolen)

    thief = ui.app_of(ui.RBAC).test_client()
    thief.set_cookie('localhost', 'session', copy)

    assert not is_in(thief)


def test_neither_is_a_session_without_a_mark():
    newcomer(NAME)
    app = ui.app_of(ui.RBAC)
    forged = app.test_client()
    with forged.session_transaction() as session:
        # What a session of a release without this fix holds, for both names that Flask-Login gave it.
        session['user_id'] = session['_user_id'] = str(id_of(NAME))
        session['_fresh'] = True
    reset_by_code(id_of(NAME), NEW)

    assert not is_in(forged)


def test_the_browser_learns_nothing_of_the_hash(stolen):
    with ui.app_of(ui.RBAC).app_context():
        stored = security().find_user(NAME).password
    with stolen.session_transaction() as session:
        assert all(part not in str(dict(session)) for part in stored.split('$'))


def test_who_changes_his_own_password_goes_on_there_and_only_there(stolen):
    here = log_in(NAME)
    form = {'password': NEW, 'conf_password': NEW}

    here.post('/resetmypassword/form', data=form)

    assert is_in(here)
    assert is_in(here)
    assert not is_in(stolen)
    assert not is_in(log_in(NAME, ui.PASSWORD))


def test_a_browser_logs_in_again_after_its_session_was_ended(stolen):
    reset_by_code(id_of(NAME), NEW)
    assert not is_in(stolen)

    log_in(NAME, NEW, client=stolen)

    assert is_in(stolen)


def test_a_browser_logs_in_again_without_having_noticed(stolen):
    reset_by_code(id_of(NAME), NEW)

    log_in(NAME, NEW, client=stolen)

    assert is_in(stolen)


def test_two_users_take_turns_in_one_browser(stolen):
    for username in ('admin', NAME, 'viewer'):
        stolen.get('/logout/')
        log_in(username, client=stolen)
        assert is_in(stolen)


def test_sessions_of_others_stay_open(stolen):
    assert is_in(ui.client_of(ui.RBAC, 'viewer'))
    reset_by_code(id_of(NAME), NEW)

    assert is_in(ui.client_of(ui.RBAC, 'viewer'))
    assert is_in(ui.client_of(ui.RBAC, 'admin'))


def test_other_changes_of_a_user_end_no_session(stolen):
    with ui.app_of(ui.RBAC).app_context():
        user = security().find_user(NAME)
        user.last_name = 'Renamed'
        security().update_user(user)
    ui.let_go()

    assert is_in(stolen)


def test_several_sessions_of_one_user_are_open_at_once(stolen):
    others = [log_in(NAME) for _ in range(2)]

    assert all(map(is_in, [stolen] + others))


@pytest.mark.parametrize('stored', [None, ''])
def test_users_whose_password_is_elsewhere_still_log_in(stored, monkeypatch):
    """LDAP and OAuth keep none here, and their code may tell nobody but Flask-Login of a login."""
    newcomer(NAME)
    with ui.app_of(ui.RBAC).app_context():
        user = security().find_user(NAME)
        user.password = stored
        security().get_session.commit()
    manager = security()
    monkeypatch.setattr(manager, 'auth_user_db', lambda username, password: manager.find_user(username))

    assert is_in(log_in(NAME))
