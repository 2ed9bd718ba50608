"""CVE-2020-17526: no two deployments share the key of their sessions, and none runs with the one everybody knows."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
import ui
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

# The key of an application is read while it is made.
pytestmark = pytest.mark.fresh_process

KNOWN = 'temporary_key'


@pytest.fixture(name='deployment')
def fixture_deployment(tmp_path):
    """Makes a fresh AIRFLOW_HOME, with or without a configured key, and returns the environment of its processes."""

    def make(name, **env):
        home = tmp_path / name
        home.mkdir()
        (home / '.home').mkdir()
        env = dict(
            os.environ,
            HOME=str(home / '.home'),
            AIRFLOW_HOME=str(home),
            AIRFLOW__CORE__SQL_ALCHEMY_CONN='sqlite:///{}'.format(home / 'airflow.db'),
            AIRFLOW__CORE__DAGS_FOLDER=str(home / 'dags'),
            **env
        )
        if 'AIRFLOW__WEBSERVER__SECRET_KEY' in env and env['AIRFLOW__WEBSERVER__SECRET_KEY'] is None:
            del env['AIRFLOW__WEBSERVER__SECRET_KEY']
        return env

    return make


def python(code, env):
    return subprocess.check_output([sys.executable, '-c', code], env=env, universal_newlines=True).strip()


KEY = "from airflow.configuration import conf; print('key:' + conf.get('webserver', 'secret_key'))"


def key_of(env):
    return python(KEY, env).rpartition('key:')[2]


def test_a_new_deployment_does_not_get_the_key_that_everybody_knows(deployment):
    env = deployment('one', AIRFLOW__WEBSERVER__SECRET_KEY=None)

    key = key_of(env)

    assert key != KNOWN, 'a new deployment has the key that everybody knows'
    assert len(key) >= 16


def test_two_deployments_have_different_keys_and_each_keeps_its_own(deployment):
    one = deployment('one', AIRFLOW__WEBSERVER__SECRET_KEY=None)
    two = deployment('two', AIRFLOW__WEBSERVER__SECRET_KEY=None)
    keys = [key_of(env) for env in (one, two)]

    assert keys[0] != keys[1], 'a session of one deployment is one of the other'
    assert [key_of(env) for env in (one, two)] == keys


class Webserver:
    def __init__(self, env, rbac):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            self.port = probe.getsockname()[1]
        self.output = os.path.join(env['AIRFLOW_HOME'], 'output')
        words = ['webserver', '--port', str(self.port), '--hostname', '127.0.0.1', '--workers', '1']
        env = dict(env, AIRFLOW__WEBSERVER__RBAC=str(rbac))
        with open(self.output, 'wb') as output:
            self.process = subprocess.Popen(
                [os.path.join(os.path.dirname(sys.executable), 'airflow')] + words,
                env=env,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=os.setsid,
            )

    def serves(self):
        deadline = time.time() + 120
        while time.time() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen('http://127.0.0.1:{}/health'.format(self.port), timeout=5) as answer:
                    return answer.status == 200
            except OSError:
                time.sleep(0.2)
        return False

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.process.wait()

    def said(self):
        with open(self.output, errors='replace') as output:
            return output.read()


@pytest.fixture(name='start')
def fixture_start():
    started = []

    def start(env, rbac=True):
        shutil.copy(os.path.join(os.environ['AIRFLOW_HOME'], 'airflow.db'), env['AIRFLOW_HOME'])
        started.append(Webserver(env, rbac))
        return started[-1]

    yield start
    for webserver in started:
        webserver.stop()


@pytest.mark.parametrize('rbac', [False, True], ids=['old interface', 'RBAC interface'])
def test_the_webserver_does_not_run_with_the_key_of_an_old_configuration(deployment, start, rbac):
    webserver = start(deployment('old', AIRFLOW__WEBSERVER__SECRET_KEY=KNOWN), rbac)

    assert not webserver.serves(), 'the webserver runs with the key that everybody knows'
    assert webserver.process.wait() != 0
    assert 'secret_key' in webserver.said()


def test_the_webserver_still_runs_with_a_key_of_its_own(deployment, start):
    webserver = start(deployment('new', AIRFLOW__WEBSERVER__SECRET_KEY=None))

    assert webserver.serves(), webserver.said()


def forged(session):
    """A cookie made by somebody who knows the key that everybody knows."""
    stranger = Flask('stranger')
    stranger.secret_key = KNOWN
    return SecureCookieSessionInterface().get_signing_serializer(stranger).dumps(session)


@pytest.fixture(name='served')
def fixture_served(monkeypatch):
    """A client of the application as gunicorn or uwsgi serve it by themselves, with the key of an old configuration."""
    monkeypatch.setenv('AIRFLOW__WEBSERVER__SECRET_KEY', KNOWN)

    def served(interface, session):
        client = ui.app_of(interface).test_client()
        client.set_cookie('localhost', 'session', forged(session))
        return client

    return served


def test_another_server_of_the_application_takes_no_forged_session_for_an_admin(served):
    client = served(ui.RBAC, {'user_id': '1', '_fresh': True})

    assert client.get('/users/list/').status_code != 200, 'anybody can log in as Admin'


@pytest.mark.parametrize('interface', ui.UIS)
def test_another_server_of_the_application_shows_nothing_of_a_forged_session(served, interface):
    client = served(interface, {'_flashes': [('info', 'words of a stranger')]})

    page = client.get('/login/' if interface == ui.RBAC else '/admin/').get_data(as_text=True)

    assert 'words of a stranger' not in page, 'a forged session is believed'


def test_who_logs_in_there_is_still_logged_in(served):
    served(ui.RBAC, {})

    assert ui.client_of(ui.RBAC).get('/users/list/').status_code == 200
