"""CVE-2023-47037: the form of a task instance changes its state and nothing else either."""
import pytest
import ui

FORGED = {
    'dag_id': 'other',
    'task_id': 'forged',
    'execution_date': '2020-01-02T03:04:05+00:00',
    'start_date': '2020-01-02T03:04:05+00:00',
    'end_date': '2020-01-02T03:04:05+00:00',
}
# What belongs to a task instance without being a field of its form.
BESIDE = {'pool': 'forged', 'queue': 'forged', 'hostname': 'forged', 'try_number': '9', 'executor_config': '{}'}
# A form as complete as that of the browser: the view refuses others.
COMPLETE = {
    'dag_id': 'own',
    'task_id': 'task',
    'execution_date': ui.RUN_DATE.isoformat(),
    'start_date': ui.RUN_DATE.isoformat(),
    'end_date': ui.RUN_DATE.isoformat(),
    'state': 'failed',
}


@pytest.fixture(autouse=True)
def runs():
    ui.reset_runs()


def rows():
    """The task instances of all DAGs with all there is of them, by DAG."""
    from airflow.models import TaskInstance

    names = [column.name for column in TaskInstance.__table__.columns if column.name != 'executor_config']
    with ui._session() as session:
        found = [
            {name: getattr(row, '_' + name if name == 'try_number' else name) for name in names}
            for row in session.query(TaskInstance)
        ]
    return {row['dag_id']: row for row in found}


def send(username, changes, without=()):
    [row] = ui.row_ids('taskinstance', 'own')
    form = {name: value for name, value in dict(COMPLETE, **changes).items() if name not in without}
    return ui.client_of(ui.RBAC, username).post('/taskinstance/edit/' + row, data=form)


@pytest.mark.parametrize('username', ['owner', 'admin'])
@pytest.mark.parametrize('name', FORGED)
def test_a_field_that_is_only_shown_is_not_changed(name, username):
    before = rows()

    send(username, {name: FORGED[name]})

    assert rows() == dict(before, own=dict(before['own'], state='failed'))


@pytest.mark.parametrize('username', ['owner', 'admin'])
def test_neither_are_all_of_them_at_once(username):
    before = rows()

    send(username, dict(FORGED, **BESIDE))

    assert rows() == dict(before, own=dict(before['own'], state='failed'))


@pytest.mark.parametrize('name', ['start_date', 'end_date'])
def test_a_field_that_is_left_out_is_not_emptied(name):
    before = rows()

    send('owner', {}, without=[name])

    assert rows() == dict(before, own=dict(before['own'], state='failed'))


@pytest.mark.parametrize('state', ['success', 'running', 'failed', 'up_for_retry'])
def test_the_state_is_still_changed(state):
    before = rows()

    send('owner', {'state': state})

    assert rows() == dict(before, own=dict(before['own'], state=state))


def test_the_form_is_still_shown():
    [row] = ui.row_ids('taskinstance', 'own')

    response = ui.client_of(ui.RBAC, 'owner').get('/taskinstance/edit/' + row)

    fields = ui.Page(response.get_data(as_text=True)).fields
    assert fields['dag_id'] == ['own']
    assert fields['task_id'] == ['task']
