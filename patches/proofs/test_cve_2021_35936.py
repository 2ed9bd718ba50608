"""CVE-2021-35936: the log server gives a task log only to whoever holds a fresh token for that very file."""
import datetime
import http.client
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

FILENAME_TEMPLATE = '{{ ti.dag_id }}/{{ ti.task_id }}/{{ try_number }}.log'

# What a fixed reader signs depends on the fix; where the token travels does not matter to the proof.
Request = namedtuple('Request', 'path, headers')
Answer = namedtuple('Answer', 'status, body')

SERVE_LOGS = '''
import os, sys
try:
    from airflow.utils.serve_logs import serve_logs
except ImportError:  # 1.10 has a command for it
    os.execv(os.path.join(os.path.dirname(sys.executable), 'airflow'), ['airflow', 'serve_logs'])
serve_logs()
'''


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def accepts_connections(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(('127.0.0.1', port)) == 0


class LogServer:
    """A worker's log server, in a process of its own as in production."""

    def __init__(self, log_folder, **env):
        self.log_folder = log_folder
        self.port = free_port()
        self.output = log_folder.parent / 'output'
        env = dict(
            os.environ,
            AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(log_folder),
            AIRFLOW__CORE__BASE_LOG_FOLDER=str(log_folder),
            AIRFLOW__CELERY__WORKER_LOG_SERVER_PORT=str(self.port),
            **env
        )
        with self.output.open('wb') as output:
            self.process = subprocess.Popen(
                [sys.executable, '-c', SERVE_LOGS], env=env, stdout=output, stderr=subprocess.STDOUT
            )

    def wait(self):
        """Returns whether the server serves, as soon as it does or has ended."""
        deadline = time.time() + 60
        while time.time() < deadline and self.process.poll() is None:
            if accepts_connections(self.port):
                return True
            time.sleep(0.05)
        return False

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()

    def write(self, name, content):
        path = self.log_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def ask(self, path, headers=None):
        """Sends the path as it is: clients in between would tidy it up."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=20)
        try:
            connection.request('GET', path, headers=headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.read().decode('utf-8'))
        finally:
            connection.close()


@pytest.fixture(scope='module')
def log_server(tmp_path_factory):
    server = LogServer(tmp_path_factory.mktemp('worker') / 'logs')
    try:
        assert server.wait(), server.output.read_text()
        server.write('dag/task/1.log', 'SECRET of task\n')
        server.write('dag/other/1.log', 'SECRET of other\n')
        yield server
    finally:
        server.stop()


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads a log the way the webserver does when the task ran on another machine."""
    from airflow.models import DAG, TaskInstance
    from airflow.utils import timezone
    from airflow.utils.log.file_task_handler import FileTaskHandler

    try:
        from airflow.operators.dummy import DummyOperator
    except ImportError:  # 1.10
        from airflow.operators.dummy_operator import DummyOperator

    def read_log(port, dag_id='dag', task_id='task', template=FILENAME_TEMPLATE):
        monkeypatch.setenv('AIRFLOW__CELERY__WORKER_LOG_SERVER_PORT', str(port))
        start = timezone.make_aware(datetime.datetime(2021, 6, 1))
        task = DummyOperator(task_id=task_id, dag=DAG(dag_id, start_date=start))
        task_instance = TaskInstance(task, start)
        task_instance.hostname = '127.0.0.1'
        handler = FileTaskHandler(str(tmp_path / 'logs of the webserver'), template)
        return str(handler.read(task_instance, 1)[0])

    return read_log


@pytest.fixture
def request_of_reader(read):
    """The request that the reader sends for a log, as somebody on the wire sees it."""

    def capture(**log):
        requests = []

        class Wire(BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                requests.append(Request(self.path, dict(self.headers.items())))
                self.send_response(404)
                self.end_headers()

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        wire = HTTPServer(('127.0.0.1', 0), Wire)
        threading.Thread(target=wire.handle_request, daemon=True).start()
        try:
            read(wire.server_port, **log)
        finally:
            wire.server_close()
        return requests[0]

    return capture


def set_clock(monkeypatch, seconds):
    """Lets the clock of the reader, not that of the log server, be off."""
    real = time.time
    monkeypatch.setattr(time, 'time', lambda: real() + seconds)


def assert_refused(answer):
    assert 'SECRET' not in answer.body
    assert answer.status == 403


def test_a_request_without_a_token_is_refused(log_server):
    assert_refused(log_server.ask('/log/dag/task/1.log'))


@pytest.mark.parametrize(
    'garbage',
    ['', 'x', 'Bearer', 'Bearer x', 'Basic YWRtaW46YWRtaW4=', 'a.b.c', '\xe4\xf6', '{}', 'null', '=' * 5000],
    ids=lambda garbage: repr(garbage)[:12],
)
def test_a_request_with_garbage_for_a_token_is_refused(log_server, garbage):
    assert_refused(log_server.ask('/log/dag/task/1.log', {'Authorization': garbage}))


def test_a_tampered_token_is_refused(log_server, request_of_reader):
    request = request_of_reader()
    token = request.headers.get('Authorization', '')

    assert_refused(log_server.ask(request.path, dict(request.headers, Authorization=token[:-4] + 'AAAA')))
    assert_refused(log_server.ask(request.path, dict(request.headers, Authorization='A' + token)))


def test_the_token_for_one_log_does_not_open_another(log_server, request_of_reader):
    headers = request_of_reader(task_id='task').headers

    assert_refused(log_server.ask('/log/dag/other/1.log', headers))


@pytest.mark.parametrize(
    'path',
    [
        '/log/dag/task/../other/1.log',
        '/log/dag/task/1.log/../../other/1.log',
        '/log/dag/task/%2e%2e/other/1.log',
        '/log/dag/task/..%2fother/1.log',
        '/log/./dag//other/1.log',
        '/log/dag/other/1.log?filename=dag/task/1.log',
    ],
)
def test_the_token_for_one_log_does_not_open_another_by_a_detour(log_server, request_of_reader, path):
    answer = log_server.ask(path, request_of_reader(task_id='task').headers)

    assert 'SECRET' not in answer.body
    assert answer.status in (301, 308, 403, 404)


@pytest.mark.parametrize('seconds', [-3600, 3600], ids=['signed an hour ago', 'signed in an hour'])
def test_a_token_of_another_time_is_refused(log_server, request_of_reader, monkeypatch, seconds):
    set_clock(monkeypatch, seconds)

    request = request_of_reader()

    assert_refused(log_server.ask(request.path, request.headers))


def test_the_lifetime_of_a_token_can_be_set(tmp_path, request_of_reader):
    server = LogServer(tmp_path / 'logs', AIRFLOW__WEBSERVER__LOG_REQUEST_CLOCK_GRACE='1')
    try:
        server.write('dag/task/1.log', 'SECRET of task\n')
        request = request_of_reader()
        assert server.wait(), server.output.read_text()
        time.sleep(2.5)
        assert_refused(server.ask(request.path, request.headers))
    finally:
        server.stop()


def test_a_token_signed_with_another_key_is_refused_and_the_reader_says_why(log_server, read, monkeypatch):
    monkeypatch.setenv('AIRFLOW__WEBSERVER__SECRET_KEY', 'a key that the log server does not have')

    log = read(log_server.port)

    assert 'SECRET' not in log
    assert 'secret_key' in log


def test_what_airflow_signs_for_other_purposes_opens_no_log(log_server):
    from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer

    filename = 'dag/task/1.log'
    key = os.environ['AIRFLOW__WEBSERVER__SECRET_KEY']
    # The API signs the path of a DAG file and the position in a log, Flask its sessions and CSRF tokens.
    signers = [
        URLSafeSerializer(key),
        URLSafeTimedSerializer(key),
        URLSafeTimedSerializer(key, salt='cookie-session'),
        URLSafeTimedSerializer(key, salt='wtf-csrf-token'),
    ]
    now = time.time()
    claims = [filename, {'filename': filename, 'signed_at': now, 'iat': now, 'exp': now + 30}, True, None]

    for signer, claim, scheme in itertools.product(signers, claims, ['', 'Bearer ']):
        token = signer.dumps(claim)
        token = token if isinstance(token, str) else token.decode('ascii')
        assert_refused(log_server.ask('/log/' + filename, {'Authorization': scheme + token}))


def test_a_refusal_does_not_tell_whether_a_log_exists(log_server):
    existing = log_server.ask('/log/dag/task/1.log')

    assert existing == log_server.ask('/log/dag/task/2.log')
    assert existing == log_server.ask('/log/dag/task')
    assert_refused(existing)


@pytest.mark.parametrize('key', ['', 'temporary_key'])
def test_the_log_server_does_not_run_with_a_key_that_everybody_knows(tmp_path, key):
    server = LogServer(tmp_path / 'logs', AIRFLOW__WEBSERVER__SECRET_KEY=key)
    try:
        assert not server.wait()
        assert 'secret_key' in server.output.read_text()
    finally:
        server.stop()


def test_the_webserver_still_reads_the_log_of_another_machine(log_server, read):
    log = read(log_server.port)

    assert 'SECRET of task' in log
    assert 'SECRET of other' not in log
    assert 'SECRET of other' in read(log_server.port, task_id='other')


def test_a_netrc_file_of_the_webserver_does_not_replace_the_token(log_server, read, tmp_path, monkeypatch):
    (tmp_path / '.netrc').write_text('default login somebody password else\n')
    (tmp_path / '.netrc').chmod(0o600)
    monkeypatch.delenv('NETRC', raising=False)
    monkeypatch.setenv('HOME', str(tmp_path))

    assert 'SECRET of task' in read(log_server.port)


def test_the_request_of_the_reader_opens_the_log_it_was_made_for(log_server, request_of_reader):
    request = request_of_reader()

    assert log_server.ask(request.path, request.headers) == Answer(200, 'SECRET of task\n')


@pytest.mark.parametrize('seconds', [-10, 10], ids=['late', 'early'])
def test_clocks_may_still_differ_a_little(log_server, read, monkeypatch, seconds):
    set_clock(monkeypatch, seconds)

    assert 'SECRET of task' in read(log_server.port)


@pytest.mark.parametrize(
    'template',
    ['./' + FILENAME_TEMPLATE, FILENAME_TEMPLATE.replace('/', '//'), 'a+b c:d/' + FILENAME_TEMPLATE],
)
def test_unusual_log_names_are_still_read(log_server, read, template):
    log_server.write('a+b c:d/dag/task/1.log', 'SECRET of task\n')

    assert 'SECRET of task' in read(log_server.port, template=template)


def test_a_missing_log_is_still_reported_as_missing(log_server, read):
    log = read(log_server.port, task_id='never_ran')

    assert 'Failed to fetch log file from worker' in log
    assert '404' in log
