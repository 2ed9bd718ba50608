"""CVE-2021-45230: who may create, change and delete runs in general does so only for DAGs that he may edit."""
import base64

import pytest
import ui

LATER = '2021-06-03 00:00:00+00:00'
# Those that some versions do not have change nothing there.
ACTIONS = {
    'dagrun': ['muldelete', 'set_running', 'set_failed', 'set_success', 'clear'],
    'taskinstance': ['clear', 'set_running', 'set_failed', 'set_success', 'set_retry'],
}
EACH = [(route, action) for route in ACTIONS for action in ACTIONS[route]]
CHANGES = ['clear', 'dagrun_clear', 'failed', 'dagrun_failed', 'success', 'dagrun_success']

only_2 = pytest.mark.skipif(ui.IS_1, reason='1.10 has no such page or endpoint, or asks for edit rights there')


@pytest.fixture(autouse=True)
def runs():
    ui.reset_runs()


def begin_for(change):
    """Runs in a state that this changes; what then says that a DAG is as it was."""
    state = 'failed' if 'success' in change else 'success'
    ui.reset_runs(state)
    return [state], [state]


def create_run(username, dag_id):
    """Sends the form that Flask-AppBuilder generates."""
    form = {'dag_id': dag_id, 'run_id': 'manual__by form', 'execution_date': LATER, 'state': 'running', 'conf': '{}'}
    return ui.client_of(ui.RBAC, username).post('/dagrun/add', data=form)


@pytest.mark.parametrize('username', ['owner', 'reader'])
def test_no_form_creates_runs_of_a_dag_that_the_user_may_not_edit(username):
    create_run(username, 'other')

    assert ui.runs_of('other') == ui.UNTOUCHED


def test_the_list_of_runs_does_not_offer_the_form():
    page = ui.client_of(ui.RBAC, 'admin').get('/dagrun/list/')

    assert page.status_code == 200
    assert '/dagrun/add' not in page.get_data(as_text=True)


@pytest.mark.parametrize('username', ['owner', 'reader'])
@pytest.mark.parametrize('route, action', EACH)
def test_no_action_of_a_list_changes_a_dag_that_the_user_may_not_edit(username, route, action):
    untouched = begin_for(action)
    rows = ui.row_ids(route, 'other')

    ui.list_action(username, route, action, rows)

    assert ui.runs_of('other') == untouched


@pytest.mark.parametrize('route, action', EACH)
def test_a_selection_of_several_dags_is_refused_as_a_whole(route, action):
    untouched = begin_for(action)
    rows = ui.row_ids(route, 'own') + ui.row_ids(route, 'other')

    for selection in (rows, rows[::-1]):
        ui.list_action('owner', route, action, selection)

        assert ui.runs_of('other') == untouched
        assert ui.runs_of('own') == untouched


@only_2
@pytest.mark.parametrize('route', ['dagrun', 'taskinstance'])
@pytest.mark.parametrize('dag_id', ['other', 'own'])
def test_a_run_or_task_of_a_dag_that_the_user_may_only_read_is_not_edited(route, dag_id):
    [row] = ui.row_ids(route, 'other')
    form = {'dag_id': dag_id, 'task_id': 'task', 'run_id': 'manual__of the proof', 'state': 'failed'}
    form['execution_date'] = ui.RUN_DATE.isoformat()

    ui.client_of(ui.RBAC, 'reader').post('/{}/edit/{}'.format(route, row), data=form)

    assert ui.runs_of('other') == ui.UNTOUCHED
    assert ui.runs_of('own') == ui.UNTOUCHED


@only_2
def test_a_run_of_a_dag_that_the_user_may_only_read_is_not_deleted():
    [row] = ui.row_ids('dagrun', 'other')

    ui.client_of(ui.RBAC, 'reader').post('/dagrun/delete/' + row)

    assert ui.runs_of('other') == ui.UNTOUCHED


@pytest.mark.parametrize('view', CHANGES)
def test_reading_a_dag_is_not_enough_to_change_its_runs(view):
    untouched = begin_for(view)
    form = {'dag_id': 'other', 'task_id': 'task', 'execution_date': ui.RUN_DATE.isoformat(), 'confirmed': 'true'}

    ui.client_of(ui.RBAC, 'reader').post('/' + view, query_string={'dag_id': 'other'}, data=form)

    assert ui.runs_of('other') == untouched


@pytest.mark.parametrize('username', ['owner', 'reader'])
def test_a_dag_that_the_user_may_not_edit_is_not_triggered(username):
    ui.client_of(ui.RBAC, username).post('/trigger', query_string={'dag_id': 'other'})

    assert ui.runs_of('other') == ui.UNTOUCHED


def api(username, method, path, body):
    client = ui.app_of(ui.RBAC).test_client()
    token = base64.b64encode('{}:{}'.format(username, ui.PASSWORD).encode()).decode()
    headers = {'Authorization': 'Basic ' + token}
    return client.open('/api/v1/dags' + path, method=method, json=body, headers=headers)


CHOICE = dict.fromkeys(['include_upstream', 'include_downstream', 'include_future', 'include_past', 'dry_run'], False)
TASK = dict(CHOICE, task_id='task', execution_date=ui.RUN_DATE.isoformat(), new_state='failed')


@only_2
@pytest.mark.parametrize(
    'method, path, body',
    [
        ('POST', '/dagRuns', {}),
        ('DELETE', '/dagRuns/manual__of the proof', None),
        ('POST', '/clearTaskInstances', {'dry_run': False, 'only_failed': False}),
        ('POST', '/updateTaskInstancesState', TASK),
    ],
)
def test_the_api_does_not_change_runs_of_a_dag_that_the_user_may_only_read(method, path, body):
    response = api('reader', method, '/other' + path, body)

    assert ui.runs_of('other') == ui.UNTOUCHED
    assert response.status_code == 403
    assert api('reader', method, '/own' + path, body).status_code in (200, 204)
    assert ui.runs_of('own') != ui.UNTOUCHED


@pytest.mark.parametrize('username', ['owner', 'admin'])
def test_a_dag_that_the_user_may_edit_is_still_triggered(username):
    ui.client_of(ui.RBAC, username).post('/trigger', query_string={'dag_id': 'own'})

    assert len(ui.runs_of('own')[0]) == 2


@pytest.mark.parametrize('username', ['owner', 'admin'])
def test_actions_of_the_lists_still_work_for_a_dag_that_the_user_may_edit(username):
    ui.list_action(username, 'taskinstance', 'set_failed', ui.row_ids('taskinstance', 'own'))
    assert ui.runs_of('own')[1] == ['failed']
    ui.list_action(username, 'dagrun', 'set_running', ui.row_ids('dagrun', 'own'))
    assert ui.runs_of('own')[0] == ['running']
    ui.list_action(username, 'taskinstance', 'clear', ui.row_ids('taskinstance', 'own'))
    assert ui.runs_of('own')[1] == ['None']
    ui.list_action(username, 'dagrun', 'muldelete', ui.row_ids('dagrun', 'own'))
    assert ui.runs_of('own')[0] == []

    assert ui.runs_of('other') == ui.UNTOUCHED


def test_an_admin_still_changes_several_dags_at_once():
    ui.list_action('admin', 'dagrun', 'set_failed', ui.row_ids('dagrun', 'own') + ui.row_ids('dagrun', 'other'))

    assert ui.runs_of('own')[0] == ui.runs_of('other')[0] == ['failed']
