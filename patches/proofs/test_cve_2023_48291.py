"""CVE-2023-48291: a request marks runs and tasks only of a DAG that the user may edit, wherever it names the DAG."""
import pytest
import ui

OWN, OTHER = {'dag_id': 'own'}, {'dag_id': 'other'}
DIFFERENT = {
    'own in the query string': {'query_string': OWN, 'data': OTHER},
    'own in the form': {'query_string': OTHER, 'data': OWN},
    'own twice, then the other': {'query_string': 'dag_id=own&dag_id=own', 'data': OTHER},
    'own first in the form': {'data': {'dag_id': ['own', 'other']}},
    'own last in the form': {'data': {'dag_id': ['other', 'own']}},
}
MORE = {'task_id': 'task', 'execution_date': ui.RUN_DATE.isoformat(), 'confirmed': 'true'}
VIEWS = ['failed', 'success', 'dagrun_failed', 'dagrun_success']


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
    assert '/login/' in response.headers['Location']


@pytest.mark.parametrize('username', ['owner', 'admin'])
def test_tasks_and_runs_of_an_own_dag_are_still_marked(username):
    send(username, 'failed', data=OWN)
    assert ui.runs_of('own')[1] == ['failed']
    send(username, 'success', data=OWN)
    assert ui.runs_of('own')[1] == ['success']
    send(username, 'dagrun_failed', data=OWN)
    assert ui.runs_of('own')[0] == ['failed']
    send(username, 'dagrun_success', data=OWN)
    assert ui.runs_of('own')[0] == ['success']

    assert ui.runs_of('other') == ui.UNTOUCHED


def test_an_admin_still_marks_any_dag():
    send('admin', 'failed', query_string=OTHER, data=OTHER)

    assert ui.runs_of('other')[1] == ['failed']
