"""CVE-2025-68675: users and passwords in the URLs of proxies are masked in the logs of tasks."""
import json
import os
import re
import subprocess
import sys

import pytest
import ui

EXTRA = {
    'proxy': 'http://alone:pw-alone@proxy.invalid:3128',
    'proxies': {
        'http': 'http://nested:pw-nested@proxy.invalid:3128',
        'https': 'https://nested:pw%20coded@proxy.invalid:3128/',
        'no_proxy': 'localhost,intranet',
        'ftp': 'http://open.invalid:3128',
        'password': 'pw-named',
    },
    'HTTPS_PROXY': 'listed:pw-plain@proxy.invalid:3128',
    'session': {'proxies': [{'all': 'socks5://deep:pw-deep@proxy.invalid'}]},
    'use_proxy': 'yes',
    'timeout': {'connect': 'five seconds', 1: 'one'},
}
SECRETS = ['pw-alone', 'pw-nested', 'pw%20coded', 'pw coded', 'pw-named', 'pw-plain', 'pw-deep']
DAG_FILE = '''
from datetime import datetime
from airflow import DAG
from airflow.hooks.base import BaseHook
from airflow.operators.python import PythonOperator

def uses():
    import logging
    log = logging.getLogger('airflow.task.proof')
    extra = BaseHook.get_connection('site').extra_dejson
    log.info('1: %r', extra)
    log.info('2: ' + str(extra))
    log.info('3: %s', extra['proxies']['http'])
    for part in {!r}:
        log.info('4: <%s>', part)
    log.info('5: yes, no proxy for localhost,intranet but http://open.invalid:3128 for five seconds')
    # Not of a connection: known by its name alone.
    log.info('7: %s', {{'proxies': {{'http': 'http://other:pw-other@proxy.invalid'}}}})
    log.info('6: %s', {{'a': {{2: 'numbered'}}}})

with DAG('uses_a_proxy', start_date=datetime(2021, 6, 1), schedule_interval=None) as dag:
    PythonOperator(task_id='uses', python_callable=uses)
'''


@pytest.fixture(name='log', scope='module')
def fixture_log():
    """What a task logs that uses the connection."""
    from airflow.models import Connection
    from airflow.utils.session import create_session

    ui.app_of(ui.RBAC)
    with open(os.path.join(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], 'uses.py'), 'w') as file:
        file.write(DAG_FILE.format(SECRETS))
    with create_session() as session:
        session.add(Connection(conn_id='site', conn_type='http', extra=json.dumps(EXTRA)))
    run = [sys.executable, '-m', 'airflow', 'tasks', 'test', 'uses_a_proxy', 'uses', '2021-06-02']
    process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # Without colours, which no report of tests can hold.
    output = re.sub('\x1b[^m]*m', '', process.communicate()[0].decode())
    assert '7: ' in output, output
    return output


@pytest.mark.parametrize('line', ['1: ', '2: ', '3: '])
def test_no_credentials_of_a_proxy_are_logged(log, line):
    [said] = [text for text in log.splitlines() if ' - ' + line in text]

    seen = [secret for secret in SECRETS + ['nested', 'alone:'] if secret in said.replace("'nested'", '')]
    assert not seen, 'the log of a task holds credentials of a proxy'


@pytest.mark.parametrize('secret', SECRETS)
def test_nor_is_the_password_alone(log, secret):
    assert '4: <{}>'.format(secret) not in log, 'the log of a task holds the password of a proxy'


def test_nor_what_is_known_by_its_name_only(log):
    assert 'pw-other' not in log, 'the log of a task holds credentials of a proxy'


def test_what_has_no_credentials_stays_readable(log):
    assert '5: yes, no proxy for localhost,intranet but http://open.invalid:3128 for five seconds' in log


def test_structures_with_keys_that_are_no_names_are_logged(log):
    assert "6: {'a': {2: 'numbered'}}" in log, 'a task could not log a structure'
