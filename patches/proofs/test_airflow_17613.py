"""apache/airflow#17613: a user who may see nothing is told so, and not sent between two pages for ever."""
import people
import pytest
import ui


# The right to see the page to which the login leads, and one that is of no use without it.
HOME = ('can_index', 'Airflow') if ui.IS_1 else ('can_read', 'Website')
OTHER = ('can_list', 'VariableModelView') if ui.IS_1 else ('can_read', 'Variables')


def visitor(username, rights):
    """A browser in which a user has just logged in whose only role has those rights, or who has no role at all."""
    with ui.app_of(ui.RBAC).app_context():
        manager = people.security()
        role = manager.add_role('role of ' + username)
        for right in rights or ():
            manager.add_permission_role(role, manager.add_permission_view_menu(*right))
        email = username + '@example.invalid'
        if manager.find_user(username) is None:
            assert manager.add_user(username, username, 'Proof', email, role, ui.PASSWORD)
        manager.find_user(username).roles = [] if rights is None else [role]
        manager.get_session.commit()
    ui.let_go()
    return people.log_in(username)


def followed(client, path):
    """The last response of those that a browser gets, and how many redirects it was sent on; it gives up at 20."""
    response, hops = client.get(path), 0
    while response.status_code in (301, 302) and hops < 20:
        response, hops = client.get(response.headers['Location']), hops + 1
    return response, hops


@pytest.mark.parametrize('path', ['/', '/home', '/tree?dag_id=own', '/users/list/'])
@pytest.mark.parametrize(
    'username, rights', [('roleless', None), ('powerless', []), ('homeless', [OTHER])]
)
def test_who_may_not_see_the_home_page_is_told_so(username, rights, path):
    response, hops = followed(visitor(username, rights), path)
    assert hops < 20, 'the browser is sent between two pages for ever'
    assert response.status_code == 403
    page = response.get_data(as_text=True)
    assert 'Please contact your administrator' in page
    assert '/logout/' in page, 'somebody else cannot log in'


def test_such_a_user_can_log_out_and_somebody_else_log_in():
    client = visitor('roleless', None)
    client.get('/logout/')
    assert people.is_sent_to_login(client.get('/home'))
    assert people.log_in('admin', client=client).get('/home').status_code == 200


def test_rights_that_are_given_count_at_once():
    client = visitor('late', [])
    with ui.app_of(ui.RBAC).app_context():
        manager = people.security()
        manager.add_permission_role(
            manager.find_role('role of late'), manager.add_permission_view_menu(*HOME)
        )
    assert client.get('/home').status_code == 200


def test_a_user_with_other_rights_is_sent_home_from_a_page_that_is_not_for_him():
    client = visitor('looker', [HOME])
    response, hops = followed(client, '/configuration')
    assert hops and response.status_code == 200
    assert 'Access is Denied' in response.get_data(as_text=True)


def test_a_stranger_is_sent_to_the_login():
    client = ui.app_of(ui.RBAC).test_client()
    assert people.is_sent_to_login(client.get('/home'))
    assert client.get('/login/').status_code == 200
