"""AC-2026-07: the REST API shows logs of tasks only to who may read task logs, as the website does."""
import people
import pytest
import ui

pytestmark = pytest.mark.skipif(ui.IS_1, reason='1.10 has no REST API')
PATH = '/dags/own/dagRuns/manual__of the proof/taskInstances/task/logs/1'


@pytest.fixture(autouse=True, scope='module')
def runs():
    ui.reset_runs()


@pytest.fixture(name='username', scope='module')
def fixture_username():
    """Somebody with all rights of Op but the one to read logs."""
    people.newcomer('no_logs', people.role_like_op('no_logs', without=[('can_read', 'Task Logs')]))
    return 'no_logs'


@pytest.mark.parametrize('accept', ['application/json', 'text/plain', '*/*'])
@pytest.mark.parametrize('query', ['', '?full_content=true', '?full_content=false'])
def test_the_log_is_not_shown_without_the_right_to_read_logs(username, accept, query):
    response = people.api(username, 'GET', PATH + query, accept)

    assert response.status_code == 403, 'the API shows what the website does not'


def test_a_token_of_somebody_else_shows_no_more(username):
    token = people.api('admin', 'GET', PATH + '?full_content=false').json['continuation_token']

    response = people.api(username, 'GET', PATH + '?token=' + token)

    assert response.status_code == 403, 'the API shows what the website does not'


def test_the_website_does_not_show_it_either(username):
    values = {'dag_id': 'own', 'task_id': 'task', 'execution_date': ui.RUN_DATE.isoformat(), 'try_number': 1, 'metadata': '{}'}

    response = ui.client_of(ui.RBAC, username).get('/get_logs_with_metadata', query_string=values)

    assert response.status_code == 302


@pytest.mark.parametrize('path', ['/dags/own', PATH.rpartition('/logs')[0]])
def test_what_else_he_may_read_is_still_shown(username, path):
    assert people.api(username, 'GET', path).status_code == 200


@pytest.mark.parametrize('reader', ['admin', 'viewer', 'owner'])
def test_who_may_read_logs_still_does(reader):
    assert people.api(reader, 'GET', PATH).status_code == 200
