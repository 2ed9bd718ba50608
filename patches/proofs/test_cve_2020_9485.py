"""CVE-2020-9485: the data of a chart hold no HTML that the page would run."""
import pytest
import ui

ATTACKS = ['<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '</script><svg onload=alert(1)>']


@pytest.fixture
def chart(monkeypatch):
    """Stores a chart of that type whose SQL returns such a table; its data as the page gets them, and as a file."""
    from airflow import models
    from airflow.models import Connection

    ui.app_of('www')
    monkeypatch.setenv('AIRFLOW__CORE__SECURE_MODE', 'False')

    def data_of(table, chart_type='datatable', csv=None):
        class Hook:
            @staticmethod
            def get_pandas_df(sql):
                import pandas

                return pandas.DataFrame(table)

        with ui._session() as session:
            session.query(Connection).delete()
            session.add(Connection(conn_id='probe', conn_type='sqlite'))
            session.execute(models.Chart.__table__.delete())
            values = {'label': 'of the proof', 'conn_id': 'probe', 'sql': 'SELECT 1', 'default_params': '{}', 'id': 1}
            values.update(chart_type=chart_type, sql_layout='series', x_is_date=False, show_datatable=True)
            session.execute(models.Chart.__table__.insert().values(**values))
        monkeypatch.setattr(Connection, 'get_hook', lambda self: Hook)
        query = {'chart_id': 1}
        if csv:
            query['csv'] = csv
        response = ui.client_of('www').get('/admin/airflow/chart_data', query_string=query)
        assert response.status_code == 200
        return response

    return data_of


@pytest.mark.parametrize('attack', ATTACKS)
def test_a_value_is_no_html(chart, attack):
    payload = chart({'series': [attack], 'x': ['1'], 'y': [attack]}).get_json(force=True)

    assert attack not in str(payload)
    assert 'alert(1)' in str(payload['data']['data'])


@pytest.mark.parametrize('attack', ATTACKS)
def test_neither_is_the_name_of_a_column(chart, attack):
    payload = chart({attack: ['a'], 'x': ['1'], 'y': ['2']}).get_json(force=True)

    assert attack not in str(payload)
    assert any('alert(1)' in column['title'] for column in payload['data']['columns'])


@pytest.mark.parametrize('attack', ATTACKS)
def test_nor_the_name_of_a_series_in_a_drawing(chart, attack):
    """It stands in a script there, which a tag of its own would end."""
    table = {'series': [attack, attack], 'x': [1, 2], 'y': [3, 4]}

    payload = chart(table, chart_type='line').get_json(force=True)

    assert payload['state'] == 'SUCCESS'
    assert attack not in payload['htmlcontent']
    assert attack not in str(payload['data'])


def test_numbers_and_text_are_still_what_they_were(chart):
    payload = chart({'series': ['some text'], 'x': [17], 'y': [2.5]}).get_json(force=True)

    assert payload['error'] == ''
    assert sorted(payload['data']['data'][0], key=str) == [17, 2.5, 'some text']
    assert {column['title'] for column in payload['data']['columns']} == {'series', 'x', 'y'}


def test_a_drawing_is_still_drawn(chart):
    payload = chart({'series': ['one', 'one'], 'x': [1, 2], 'y': [31, 42]}, chart_type='line').get_json(force=True)

    assert '<script' in payload['htmlcontent']
    assert '42' in payload['htmlcontent']


def test_the_file_that_is_downloaded_holds_what_the_database_does(chart):
    text = chart({'series': ['a < b & c'], 'x': [1], 'y': [2]}, csv='true').get_data(as_text=True)

    assert 'a < b & c' in text
