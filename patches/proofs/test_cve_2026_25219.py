"""CVE-2026-25219: what connections and Variables call an access key or a connection string is masked."""
import json
import os
import re
import subprocess
import sys

import pytest
import ui

NAMES = [
    'access_key',
    'connection_string',
    'ACCESS_KEY',
    'extra__azure_service_bus__connection_string',
    'connectionString',
    'accessKey',
    'storage_access_key',
]
# They hold a part of such a name, and nothing that is secret.
HARMLESS = ['key', 'connection_timeout', 'string_type', 'access', 'connection', 'keyspace']
DAG_ID = 'uses_a_connection'
DAG_FILE = '''
from datetime import datetime
from airflow import DAG
from airflow.hooks.base import BaseHook
from airflow.operators.python import PythonOperator

def uses():
    import logging
    log = logging.getLogger('airflow.task.proof')
    extra = BaseHook.get_connection('bus').extra_dejson
    for name, value in extra.items():
        log.info('%s is [%s]', len(name), value)
    log.info('as it is passed on: %s', extra)

with DAG('uses_a_connection', start_date=datetime(2021, 6, 1), schedule_interval=None) as dag:
    PythonOperator(task_id='uses', python_callable=uses)
'''


def value_of(name):
    return 'Endpoint=sb://bus/;{}'.format(''.join(reversed(name)))


@pytest.fixture(name='log', scope='module')
def fixture_log():
    """What a task logs that uses the connection."""
    from airflow.models import Connection
    from airflow.utils.session import create_session

    ui.app_of(ui.RBAC)
    with open(os.path.join(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], 'uses.py'), 'w') as file:
        file.write(DAG_FILE)
    extra = {name: value_of(name) for name in NAMES + HARMLESS}
    with create_session() as session:
        session.add(Connection(conn_id='bus', conn_type='azure_service_bus', extra=json.dumps(extra)))
    run = [sys.executable, '-m', 'airflow', 'tasks', 'test', DAG_ID, 'uses', '2021-06-02']
    process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # Without colours, which no report of tests can hold.
    output = re.sub('\x1b[^m]*m', '', process.communicate()[0].decode())
    assert process.returncode == 0 and 'as it is passed on' in output, output
    return output


@pytest.mark.parametrize('name', NAMES)
def test_it_is_masked_in_the_log_of_a_task(log, name):
    assert value_of(name) not in log, 'the log of a task holds a secret of the connection'


@pytest.mark.parametrize('name', NAMES)
def test_it_is_hidden_in_the_list_of_variables(name):
    from airflow.models import Variable

    Variable.set('my_' + name, value_of(name))
    response = ui.client_of(ui.RBAC).get('/variable/list/', query_string={'_flt_3_key': 'my_' + name})
    text = response.get_data(as_text=True)

    assert 'my_' + name in text
    assert value_of(name) not in text, 'the list of Variables shows a secret'


@pytest.mark.parametrize('name', HARMLESS)
def test_what_only_sounds_alike_stays_readable(log, name):
    assert log.count(value_of(name)) == 2
