"""CVE-2024-26280: of the default roles only Admin reads the audit log, also in a database that granted it to others."""
import pytest
import sqlalchemy
import ui
from people import api, is_sent_to_login, newcomer, security

DEFAULT = ['Viewer', 'User', 'Op']
OF_LOG = {'LogModelView', 'Logs'} if ui.IS_1 else {'Audit Logs'}
READ, MENU = ('can_list', 'menu_access') if ui.IS_1 else ('can_read', 'menu_access')
RIGHTS = [(READ, 'LogModelView'), (MENU, 'Logs')] if ui.IS_1 else [(READ, 'Audit Logs'), (MENU, 'Audit Logs')]
PAGES = ['/log/list/', '/log/list/?_flt_3_event=x', '/log/api/read', '/log/api']


@pytest.fixture(autouse=True)
def fixture_menu():
    """Of the pages, the menu counts."""
    ui.show_menu(ui.RBAC)


def rights_of(role):
    with ui.app_of(ui.RBAC).app_context():
        found = security().find_role(role).permissions
        return {(right.permission.name, right.view_menu.name) for right in found}


def rights_to_the_log(role):
    return {right for right in rights_of(role) if right[1] in OF_LOG}


def grant(role):
    with ui.app_of(ui.RBAC).app_context():
        manager = security()
        for right in RIGHTS:
            manager.add_permission_role(manager.find_role(role), manager.add_permission_view_menu(*right))
    ui.let_go()


def sync():
    """As each start of the webserver does it."""
    with ui.app_of(ui.RBAC).app_context():
        security().sync_roles()
    ui.let_go()


@pytest.mark.parametrize('role', DEFAULT)
def test_a_fresh_database_grants_it_to_no_default_role(role):
    assert rights_to_the_log(role) == set()


@pytest.mark.parametrize('role', DEFAULT)
def test_a_database_that_granted_it_does_so_no_longer_after_a_start(role):
    grant(role)
    sync()

    assert rights_to_the_log(role) == set()


@pytest.mark.parametrize('page', PAGES)
@pytest.mark.parametrize('role', DEFAULT)
def test_who_has_such_a_role_sees_no_entry(role, page):
    client = newcomer('somebody', role)

    for method in ('GET', 'HEAD', 'POST'):
        response = client.open(page, method=method)
        assert is_sent_to_login(response) or response.status_code in (302, 401, 403, 404, 405)


@pytest.mark.parametrize('role', DEFAULT)
def test_the_menu_does_not_offer_it(role):
    page = newcomer('somebody', role).get('/home').get_data(as_text=True)

    assert '/log/list/' not in page


@pytest.mark.skipif(ui.IS_1, reason='1.10 has no such API')
@pytest.mark.parametrize('role', DEFAULT)
def test_the_api_refuses_as_well(role):
    newcomer('somebody', role)

    assert api('somebody', 'GET', '/eventLogs').status_code == 403
    assert api('somebody', 'GET', '/eventLogs/1').status_code == 403


def test_an_admin_still_reads_it():
    sync()

    assert ui.client_of(ui.RBAC).get('/log/list/').status_code == 200
    assert '/log/list/' in ui.client_of(ui.RBAC).get('/home').get_data(as_text=True)
    assert {right for right in RIGHTS} <= rights_to_the_log('Admin')


def test_a_start_takes_nothing_from_an_admin_that_it_gives_back():
    """Processes of the webserver that start at once would be in each other's way, and the webserver ends."""
    sync()
    written = []

    def remember(connection, cursor, statement, *others):
        if 'ab_permission_view_role' in statement and not statement.startswith('SELECT'):
            written.append(statement)

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, 'before_cursor_execute', remember)
    try:
        sync()
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, 'before_cursor_execute', remember)

    assert written == []


def test_a_role_of_ones_own_keeps_it():
    with ui.app_of(ui.RBAC).app_context():
        manager = security()
        role = manager.add_role('auditor')
        for right in manager.find_role('Viewer').permissions:
            manager.add_permission_role(role, right)
    ui.let_go()
    grant('auditor')
    sync()

    assert newcomer('auditor', 'auditor').get('/log/list/').status_code == 200


def test_everything_else_that_a_default_role_may_do_is_as_before():
    """Nothing else is taken away: each still sees its pages."""
    for role in DEFAULT:
        client = newcomer('somebody', role)
        sync()
        for page in ('/home', '/dagrun/list/', '/taskinstance/list/', '/job/list/', '/slamiss/list/', '/tree?dag_id=own'):
            assert client.get(page).status_code == 200
