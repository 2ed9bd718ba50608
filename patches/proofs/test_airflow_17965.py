"""apache/airflow#17965: a log is shown as it was written, whichever locale the webserver has."""
import os

import pytest
import ui

TEXT = 'Grüße aus Köln, 東京'


def shown(log):
    """What the page of a log is told of this one."""
    ui.reset_runs()
    folder = os.path.join(os.environ['AIRFLOW_HOME'], 'logs', 'own', 'task', ui.RUN_DATE.isoformat())
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, '1.log'), 'wb') as file:
        file.write(log)
    values = {'dag_id': 'own', 'task_id': 'task', 'execution_date': ui.RUN_DATE.isoformat(), 'try_number': 1}
    values['metadata'] = '{}'
    answer = ui.client_of(ui.RBAC).get('/get_logs_with_metadata', query_string=values)
    assert answer.status_code == 200
    return str(answer.json['message'])


@pytest.fixture
def encoding(request, monkeypatch):
    """The encoding of the locale, which is asked for when a file is opened."""
    import _bootlocale

    monkeypatch.setattr(_bootlocale, 'getpreferredencoding', lambda do_setlocale=True: request.param)
    return request.param


everywhere = pytest.mark.parametrize('encoding', ['ascii', 'latin-1', 'utf-8'], indirect=True)


@everywhere
def test_a_log_is_shown_as_it_was_written(encoding):
    assert TEXT in shown(TEXT.encode('utf-8')), 'the log is not shown, or another one'


@everywhere
def test_what_is_no_text_does_not_keep_the_rest_from_being_shown(encoding):
    if ui.IS_1 and encoding != 'latin-1':
        pytest.skip('1.10 says so in place of such a log')
    log = shown(b'before\n\xff\nafter\n')
    assert 'before' in log and 'after' in log, 'the log is not shown'


@pytest.mark.skipif(not ui.IS_1, reason='2.x writes in UTF-8')
@pytest.mark.parametrize('encoding', ['latin-1'], indirect=True)
def test_a_log_of_a_worker_with_the_same_locale_is_shown(encoding):
    assert 'Köln' in shown('Grüße aus Köln'.encode('latin-1'))
