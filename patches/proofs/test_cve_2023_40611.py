"""CVE-2023-40611: the form of a run changes its state and nothing else, whatever is sent."""
import pytest
import ui

CONF = {'is': 'this'}
FORGED = {
    'dag_id': 'other',
    'run_id': 'scheduled__forged',
    'execution_date': '2020-01-02T03:04:05+00:00',
    'start_date': '2020-01-02T03:04:05+00:00',
    'end_date': '2020-01-02T03:04:05+00:00',
    'conf': '{"is": "forged"}',
    'external_trigger': '',
}
# What belongs to a run without being a field of its form.
BESIDE = {'run_type': 'backfill', 'creating_job_id': '7', 'id': '99', 'dag_hash': 'forged'}


@pytest.fixture(autouse=True)
def runs():
    from airflow.models import DagRun

    ui.reset_runs()
    with ui._session() as session:
        for run in session.query(DagRun):
            run.conf, run.start_date, run.end_date = CONF, ui.RUN_DATE, ui.RUN_DATE


def run_of(dag_id):
    """All there is of the run, but when the scheduler looked at it, and its end: that follows from its state."""
    from airflow.models import DagRun

    with ui._session() as session:
        runs = session.query(DagRun).filter(DagRun.dag_id == dag_id).all()
        if len(runs) != 1:
            return None
        [run] = runs
        names = [column.name for column in DagRun.__table__.columns]
        return {name: getattr(run, name) for name in names if name not in ('last_scheduling_decision', 'end_date')}


def end_of(dag_id):
    from airflow.models import DagRun

    with ui._session() as session:
        return session.query(DagRun.end_date).filter(DagRun.dag_id == dag_id).scalar()


def form_as_shown(username, dag_id):
    """Where the form of the run is sent, and its fields with what they show."""
    [row] = ui.row_ids('dagrun', dag_id)
    path = '/dagrun/edit/' + row
    response = ui.client_of(ui.RBAC, username).get(path)
    assert response.status_code == 200
    page = ui.Page(response.get_data(as_text=True))
    fields = {name: values[0] for name, values in page.fields.items() if name in FORGED and values[0] is not None}
    return path, dict(fields, conf='{"is": "this"}', state='failed')


def send(username, changes, without=()):
    path, form = form_as_shown(username, 'own')
    form.update(changes)
    for name in without:
        form.pop(name, None)
    return ui.client_of(ui.RBAC, username).post(path, data=form)


@pytest.mark.parametrize('username', ['owner', 'admin'])
@pytest.mark.parametrize('name', FORGED)
def test_a_field_that_is_only_shown_is_not_changed(name, username):
    before = run_of('own')

    send(username, {name: FORGED[name]})

    assert run_of('own') == dict(before, state='failed')
    assert end_of('own').year != 2020


@pytest.mark.parametrize('username', ['owner', 'admin'])
def test_neither_are_all_of_them_at_once(username):
    before, other = run_of('own'), run_of('other')

    send(username, dict(FORGED, **BESIDE))

    assert run_of('own') in (before, dict(before, state='failed'))
    assert run_of('other') == other


@pytest.mark.parametrize('name', ['start_date', 'end_date', 'conf', 'external_trigger'])
def test_a_field_that_is_left_out_is_not_emptied(name):
    before = run_of('own')

    send('owner', {}, without=[name])

    assert run_of('own') == dict(before, state='failed')
    assert end_of('own') is not None


def test_the_api_of_the_form_changes_no_more():
    before = run_of('own')
    [row] = ui.row_ids('dagrun', 'own')

    for method in ('PUT', 'POST', 'PATCH'):
        ui.client_of(ui.RBAC).open('/dagrun/api/update/' + row, method=method, data=dict(FORGED, state='failed'))

    assert run_of('own') in (before, dict(before, state='failed'))


@pytest.mark.parametrize('state', ['success', 'running', 'failed'])
@pytest.mark.parametrize('username', ['owner', 'admin'])
def test_the_state_is_still_changed(username, state):
    before = run_of('own')

    send(username, {'state': state})

    assert run_of('own') == dict(before, state=state)


def test_a_state_that_there_is_not_is_still_refused():
    before = run_of('own')

    send('admin', {'state': 'nonsense'})

    assert run_of('own') == before


def test_the_form_still_shows_what_there_is():
    _, form = form_as_shown('owner', 'own')

    assert form['dag_id'] == 'own'
    assert form['run_id'] == 'manual__of the proof'
    assert '2021-06-02' in form['execution_date']


def test_a_run_is_still_triggered_with_a_configuration():
    from airflow.models import DagRun

    ui.client_of(ui.RBAC, 'owner').post('/trigger', query_string={'dag_id': 'own'}, data={'conf': '{"is": "new"}'})

    with ui._session() as session:
        confs = [run.conf for run in session.query(DagRun).filter(DagRun.dag_id == 'own')]
    assert {'is': 'new'} in confs
