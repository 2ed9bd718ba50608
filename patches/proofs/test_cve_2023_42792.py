"""CVE-2023-42792: a request clears tasks only of a DAG that the user may edit, wherever it names the DAG."""
import pytest
import ui

OWN, OTHER = {'dag_id': 'own'}, {'dag_id': 'other'}
# Where the request names which DAG. Some view reads the first, some the last, some the form, some the query string.
DIFFERENT = {
    'own in the query string': {'query_string': OWN, 'data': OTHER},
    'own in the form': {'query_string': OTHER, 'data': OWN},
    'own first in the form': {'data': {'dag_id': ['own', 'other']}},
    'own last in the form': {'data': {'dag_id': ['other', 'own']}},
    'own first in the query string': {'query_string': 'dag_id=own&dag_id=other', 'data': OTHER},
    'own last in the query string': {'query_string': 'dag_id=other&dag_id=own', 'data': OTHER},
    'nothing in the query string': {'query_string': {'dag_id': ''}, 'data': OTHER},
}
MORE = {'task_id': 'task', 'execution_date': ui.RUN_DATE.isoformat(), 'confirmed': 'true'}
VIEWS = ['clear', 'dagrun_clear']


def send(username, view, query_string=None, data=None):
    url = ui.url_of(ui.RBAC, view)
    data = dict(MORE, **(data or {}))
    return ui.client_of(ui.RBAC, username).post(url, query_string=query_string, data=data)


@pytest.fixture(autouse=True)
def runs():
    ui.reset_runs()


@pytest.mark.parametrize('place', DIFFERENT)
@pytest.mark.parametrize('view', VIEWS)
def test_naming_an_own_dag_as_well_opens_no_other(view, place):
    response = send('owner', view, **DIFFERENT[place])

    assert ui.runs_of('other') == ui.UNTOUCHED
    assert response.status_code == 403


@pytest.mark.parametrize('view', VIEWS)
def test_a_dag_in_the_form_only_is_checked(view):
    response = send('owner', view, data=OTHER)

    assert ui.runs_of('other') == ui.UNTOUCHED
    assert response.status_code == 302
    assert '/login/' in response.headers['Location']


def test_a_dag_in_json_is_compared_too():
    client = ui.client_of(ui.RBAC, 'owner')

    for body in (OTHER, {'dag_id': ['other']}):
        response = client.post('/paused', query_string={'dag_id': 'own', 'is_paused': 'true'}, json=body)
        assert response.status_code == 403


@pytest.mark.parametrize('body', ['[]', '"other"', 'null', '{"dag_id"', ''])
def test_json_without_a_dag_is_no_error(body):
    client = ui.client_of(ui.RBAC, 'owner')
    query = {'dag_id': 'own', 'is_paused': 'true'}

    response = client.post('/paused', query_string=query, data=body, content_type='application/json')

    assert response.status_code == 200


def test_an_admin_does_not_send_two_dags_either():
    assert send('admin', 'clear', query_string=OWN, data=OTHER).status_code == 403
    assert ui.runs_of('other') == ui.UNTOUCHED


@pytest.mark.parametrize('view', ['clear', 'dagrun_clear'])
@pytest.mark.parametrize('username', ['owner', 'admin'])
def test_an_own_dag_is_still_cleared(view, username):
    response = send(username, view, data=OWN)

    assert '/login/' not in response.headers['Location']
    assert ui.runs_of('own')[1] == ['None']
    assert ui.runs_of('other') == ui.UNTOUCHED


def test_naming_the_same_dag_twice_is_still_fine():
    send('owner', 'clear', query_string=OWN, data=OWN)

    assert ui.runs_of('own')[1] == ['None']


@pytest.mark.parametrize('view', ['tree', 'graph', 'code', 'dag_details'])
def test_pages_of_an_own_dag_are_still_shown(view):
    response = ui.client_of(ui.RBAC, 'owner').get('/' + view, query_string=OWN)

    assert response.status_code == 200
