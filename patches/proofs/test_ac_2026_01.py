"""AC-2026-01: the id of a run is not evaluated when the log of one of its tasks is read."""
import http.server
import os
import socket
import threading
from urllib.parse import unquote

import pytest

# Airflow reads the template of log files, and the port, while it is imported, as it is by `ui`.
TEMPLATE = '{{ ti.dag_id }}/{{ ti.task_id }}/{{ run_id }}/{{ try_number }}.log'
with socket.socket() as probe:
    probe.bind(('127.0.0.1', 0))
    PORT = probe.getsockname()[1]
for section in ('CORE', 'LOGGING'):
    os.environ['AIRFLOW__{}__LOG_FILENAME_TEMPLATE'.format(section)] = TEMPLATE
os.environ['AIRFLOW__CELERY__WORKER_LOG_SERVER_PORT'] = str(PORT)

import ui  # noqa: E402

pytestmark = pytest.mark.fresh_process

# With what the id of a run may ask for; the first is the address of the database, with its password.
SECRETS = [
    '{ti.init_on_load.__globals__[settings].SQL_ALCHEMY_CONN}',
    'manual__{ti.init_on_load.__globals__[settings].Session}',
    '{ti.__class__.__mro__}',
    '{ti.task.dag.fileloc}',
    '{ti.hostname!r:>40}',
    '{worker_log_server_port}',
]
HARMLESS = ['manual__2021-06-02T00:00:00+00:00', 'with {braces}', '{', '}', '{}', '{0}', '{{twice}}', '{no_such_name}', 'a%20b']


class Worker(http.server.BaseHTTPRequestHandler):
    """A worker whose logs say where they are."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write('the log at [{}]'.format(unquote(self.path)).encode())

    def log_message(self, *args):
        pass


@pytest.fixture(name='worker', scope='module', autouse=True)
def fixture_worker():
    server = http.server.HTTPServer(('127.0.0.1', PORT), Worker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield
    server.shutdown()
    server.server_close()


def log_of(interface, run_id, username='admin'):
    """What a user is shown as the log of the task of a run with this id."""
    from airflow.models import DagRun, TaskInstance

    ui.app_of(ui.RBAC)
    with ui._session() as session:
        session.query(TaskInstance).delete()
        session.query(DagRun).delete()
    ui._dag('own').create_dagrun(run_id=run_id, execution_date=ui.RUN_DATE, state='success', external_trigger=True)
    with ui._session() as session:
        instance = session.query(TaskInstance).one()
        instance.state, instance.hostname, instance._try_number = 'success', '127.0.0.1', 1
    values = {'dag_id': 'own', 'task_id': 'task', 'execution_date': ui.RUN_DATE.isoformat(), 'try_number': 1, 'metadata': '{}'}
    url = ui.url_of(interface, 'get_logs_with_metadata')
    response = ui.client_of(interface, username).get(url, query_string=values)
    return response.get_data(as_text=True) if response.status_code != 200 else str(response.json['message'])


@pytest.mark.parametrize('run_id', SECRETS)
@pytest.mark.parametrize('interface', ui.UIS)
def test_the_log_shows_the_id_and_nothing_that_it_asks_for(interface, run_id):
    text = log_of(interface, run_id)

    assert run_id in text, 'the id of a run was evaluated'
    assert '/log/own/task/{}/1.log\n'.format(run_id) in text.replace('\\n', '\n'), 'an address is shown that the id made'
    assert 'airflow.db' not in text and 'object at' not in text


def test_what_a_reader_gets_is_no_more():
    text = log_of(ui.RBAC, SECRETS[0], 'owner')

    assert 'airflow.db' not in text, 'who may read a log reads where the database is'
    assert 'the log at [/log/own/task/' in text


@pytest.mark.parametrize('run_id', HARMLESS)
@pytest.mark.parametrize('interface', ui.UIS)
def test_the_log_is_fetched_from_where_it_was_written(interface, run_id):
    text = log_of(interface, run_id)

    assert 'the log at [/log/own/task/{}/1.log]'.format(unquote(run_id)) in text, 'the log is not found'
    assert 'http://127.0.0.1:{}/log/own/task/'.format(PORT) in text
