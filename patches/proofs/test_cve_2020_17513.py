"""CVE-2020-17513: charts and ad hoc queries do not show what a host answers to the webserver."""
import logging

import pytest
import ui

ANSWERS = [
    'could not connect to server: Connection refused. Is the server running on host "10.1.2.3"?',
    'Name or service not known: internal.example.invalid',
    'FATAL: password authentication failed for user "postgres"',
    '<script>alert(1)</script>',
]
GENERIC = 'SQL execution failed'


@pytest.fixture(scope='module')
def app():
    """The classic interface with the page of queries, which the other proofs leave out."""
    app = ui.app_of('www')
    from airflow.www import views

    app.extensions['admin'][0].add_view(views.QueryView(name='Ad Hoc Query', category='Data Profiling'))
    return app


class Hook:
    """Connects to nothing, and says so, or returns what a database does."""

    def __init__(self, answer):
        self.answer = answer

    def get_pandas_df(self, sql):
        import pandas

        if self.answer is not None:
            raise RuntimeError(self.answer)
        return pandas.DataFrame({'series': ['a'], 'x': [1], 'y': [23456]})


@pytest.fixture
def database(app, monkeypatch):
    """Lets the database of the connection `probe` answer."""
    from airflow import models
    from airflow.models import Connection

    monkeypatch.setenv('AIRFLOW__CORE__SECURE_MODE', 'False')
    with ui._session() as session:
        session.query(Connection).delete()
        session.add(Connection(conn_id='probe', conn_type='postgres', host='10.1.2.3'))
        session.execute(models.Chart.__table__.delete())
        values = {'label': 'of the proof', 'conn_id': 'probe', 'sql': 'SELECT 1', 'default_params': '{}'}
        values.update(id=1, chart_type='datatable', sql_layout='series', x_is_date=False, show_datatable=True)
        session.execute(models.Chart.__table__.insert().values(**values))

    def answer(text):
        monkeypatch.setattr(Connection, 'get_hook', lambda self: Hook(text))

    answer(None)
    return answer


def query(app, **form):
    form = dict({'conn_id': 'probe', 'sql': 'SELECT 1'}, **form)
    response = ui.client_of('www').post('/admin/queryview/', data=form)
    assert response.status_code == 200
    return response.get_data(as_text=True)


def chart():
    response = ui.client_of('www').get('/admin/airflow/chart_data', query_string={'chart_id': 1})
    assert response.status_code == 200
    return response.get_json(force=True)


@pytest.mark.parametrize('answer', ANSWERS)
@pytest.mark.parametrize('form', [{}, {'csv': 'true'}])
def test_a_query_that_fails_shows_no_answer(app, database, form, answer):
    import html

    database(answer)

    page = query(app, **form)

    assert answer not in html.unescape(page)
    assert GENERIC in page


@pytest.mark.parametrize('answer', ANSWERS)
def test_neither_does_a_chart(app, database, answer):
    database(answer)

    payload = chart()

    assert answer not in str(payload)
    assert GENERIC in payload['error']


def test_two_hosts_cannot_be_told_apart(app, database):
    pages = []
    for answer in ANSWERS[:2]:
        database(answer)
        pages.append((chart()['error'], GENERIC in query(app)))

    assert pages[0] == pages[1]


def test_the_log_still_says_why(app, database, caplog):
    database(ANSWERS[0])

    with caplog.at_level(logging.ERROR):
        query(app)
        chart()

    assert GENERIC in chart()['error']
    assert caplog.text.count(ANSWERS[0]) >= 2


def test_a_query_that_works_still_shows_its_result(app, database):
    assert '23456' in query(app)


def test_a_chart_that_works_still_has_its_data(app, database):
    payload = chart()

    assert payload['state'] == 'SUCCESS'
    assert payload['error'] == ''
    assert '23456' in str(payload['data'])
