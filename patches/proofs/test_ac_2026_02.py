"""AC-2026-02: HEAD, which needs no token against forged requests, changes nothing; it is answered like GET, without a body."""
import pytest
import ui


@pytest.fixture(name='browser', params=ui.UIS)
def fixture_browser(request, monkeypatch):
    """The browser of a victim who is logged in, and the prefix of the views: tokens are asked for as in production."""
    from airflow.models import Connection, Variable

    app = ui.app_of(request.param)
    browser = ui.client_of(request.param)
    monkeypatch.setitem(app.config, 'WTF_CSRF_ENABLED', True)
    ui.reset_runs()
    with ui._session() as session:
        session.query(Variable).delete()
        session.query(Connection).delete()
        session.execute(Variable.__table__.insert().values(id=1, key='kept', val='value'))
        session.execute(Connection.__table__.insert().values(id=1, conn_id='kept', conn_type='http', host='host'))
    browser.ui = request.param
    return browser


def everything():
    """All rows of the database, but for the audit log."""
    from airflow import settings
    from sqlalchemy import MetaData

    metadata = MetaData()
    metadata.reflect(bind=settings.engine)
    with settings.engine.connect() as connection:
        return {
            name: sorted(map(repr, connection.execute(table.select())))
            for name, table in metadata.tables.items()
            if name not in ('log', 'session')
        }


def changed(before):
    """The tables that are not as they were."""
    return [name for name, rows in everything().items() if rows != before.get(name)]


TRIGGER = {'dag_id': 'own', 'origin': '/home', 'conf': '{}'}
ROWS = ['connection/delete/1', 'variable/delete/1', 'dagrun/delete/1', 'pool/delete/1', 'users/delete/2', 'users/action/muldelete/2']


@pytest.mark.parametrize('method', ['HEAD', 'OPTIONS', 'GET'])
def test_no_request_without_a_token_starts_a_run(browser, method):
    before = everything()

    response = browser.open(ui.url_of(browser.ui, 'trigger'), method=method, query_string=TRIGGER)

    assert changed(before) == [], 'a page of a stranger starts runs'
    # 1.10.7 has no page that asks for more before it starts a run.
    assert response.status_code in (200, 405)


@pytest.mark.parametrize('method', ['HEAD', 'OPTIONS', 'GET'])
@pytest.mark.parametrize('row', ROWS)
def test_no_request_without_a_token_deletes_a_row(browser, row, method):
    if browser.ui != ui.RBAC:
        pytest.skip('the interface without roles has no such view')
    before = everything()

    browser.open('/' + row, method=method)

    assert changed(before) == [], 'a page of a stranger deletes what the victim may delete'


VALUES = {'pk': '2', 'dag_id': 'own', 'task_id': 'task', 'filename': 'x', 'path': 'x', 'form': 'charts', 'col_name': 'x', 'locale': 'en'}
WORDS = dict(
    TRIGGER,
    task_id='task',
    execution_date=ui.RUN_DATE.isoformat(),
    dag_run_id='manual__of the proof',
    run_id='manual__of the proof',
    confirmed='true',
    is_paused='false',
    state='failed',
    id='2',
)


def addresses(app, method):
    """A path for each rule that this method may be sent to, but for those that end or begin a session."""
    adapter = app.url_map.bind('localhost')
    for rule in app.url_map.iter_rules():
        if method not in rule.methods or rule.rule.split('/')[-2:] == ['login', ''] or 'log' in rule.endpoint.split('.')[-1]:
            continue
        names = ['muldelete', 'set_failed', 'clear'] if 'name' in rule.arguments else ['x']
        for name in names:
            values = {argument: VALUES.get(argument, name) for argument in rule.arguments}
            for converter in rule._converters:
                if type(rule._converters[converter]).__name__ == 'IntegerConverter':
                    values[converter] = 1
            yield adapter.build(rule.endpoint, values, method=min(rule.methods - {'HEAD', 'OPTIONS'}))


@pytest.mark.parametrize('method', ['HEAD', 'OPTIONS'])
def test_nothing_changes_in_any_view(browser, monkeypatch, method):
    app = ui.app_of(browser.ui)
    monkeypatch.setitem(app.config, 'PROPAGATE_EXCEPTIONS', False)
    before, asked = everything(), sorted(set(addresses(app, method)))

    for address in asked:
        browser.open(address, method=method, query_string=WORDS)

    assert changed(before) == [], '{} changes something'.format(method)
    assert len(asked) > 30


@pytest.mark.parametrize('view', ['trigger', 'tree', 'code'])
def test_head_is_answered_like_get_without_the_body(browser, view):
    url = ui.url_of(browser.ui, view)

    got, asked = (browser.open(url, method=method, query_string={'dag_id': 'own'}) for method in ('GET', 'HEAD'))

    assert asked.status_code == got.status_code
    assert asked.headers.get('Content-Type') == got.headers.get('Content-Type')
    assert asked.data == b''


def test_a_form_with_its_token_still_starts_a_run(browser):
    page = browser.get(ui.url_of(browser.ui, 'tree'), query_string={'dag_id': 'own'})
    token = ui.Page(page.get_data(as_text=True)).fields['csrf_token'][0]

    browser.post(ui.url_of(browser.ui, 'trigger'), data=dict(TRIGGER, csrf_token=token))

    assert len(ui.runs_of('own')[0]) == 2, 'no run was started'


def test_a_form_without_its_token_is_refused(browser):
    before = everything()

    response = browser.post(ui.url_of(browser.ui, 'trigger'), data=TRIGGER)

    assert changed(before) == []
    assert response.status_code == 400


def test_a_row_can_still_be_deleted_with_a_token(browser):
    if browser.ui != ui.RBAC:
        pytest.skip('the interface without roles has no such view')
    page = browser.get('/variable/list/').get_data(as_text=True)
    token = ui.Page(page).fields['csrf_token'][0]

    browser.post('/variable/delete/1', data={'csrf_token': token})

    assert 'variable' in changed(dict(everything(), variable=['as before'])) and everything()['variable'] == []
