"""CVE-2023-46215: what a process says when it reads the Celery configuration holds no password of the result backend."""
import json
import os
import subprocess
import sys

import pytest

PASSWORD = 'pa55-of-the-backend'
URLS = [
    'redis://:{}@redis.invalid:6379/0',
    'redis://user:{}@redis.invalid:6379/0',
    'amqp://airflow:{}@rabbit.invalid:5672//',
    'rpc://airflow:{}@rabbit.invalid:5672//',
    'redis://redis.invalid:6379/0?password={}',
    'redis://:{0}@one.invalid:6379/0;redis://:{0}@two.invalid:6379/0',
]
HARMLESS = ['redis://host.invalid/', 'amqp://host.invalid/', 'rpc://host.invalid/']
DATABASE = 'db+postgresql://airflow:{}@db.invalid/airflow'

# The configuration is a module that is run when it is imported: here once for each backend.
SCRIPT = '''
import json, os, runpy, sys
for url in json.loads(sys.argv[1]):
    os.environ['AIRFLOW__CELERY__RESULT_BACKEND'] = url
    config = runpy.run_module('airflow.config_templates.default_celery')['DEFAULT_CELERY_CONFIG']
    sys.stdout.flush()
    sys.stderr.flush()
    # Celery is told the whole URL all the same.
    print('|' if config['result_backend'] == url else 'not told|', flush=True)
'''


@pytest.fixture(scope='module', name='said')
def fixture_said():
    """What a process logs and prints that reads the configuration, as scheduler, worker and flower do, by backend."""
    urls = [url.format(PASSWORD) for url in URLS + HARMLESS + [DATABASE]]
    environment = dict(os.environ, AIRFLOW__CELERY__BROKER_URL='memory://')
    run = [sys.executable, '-c', SCRIPT, json.dumps(urls)]
    process = subprocess.Popen(run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.communicate()[0].decode()
    assert process.returncode == 0, output
    assert output.count('|') == len(urls) and 'not told' not in output, output
    return dict(zip(urls, output.split('|')))


@pytest.mark.parametrize('url', URLS)
def test_the_password_of_the_result_backend_is_not_logged(said, url):
    output = said[url.format(PASSWORD)]

    assert PASSWORD not in output, 'the password of the result backend was logged'
    assert '.invalid' not in output


@pytest.mark.parametrize('url', HARMLESS)
def test_the_advice_against_a_broker_as_backend_is_still_given_and_names_its_kind(said, url):
    scheme = url.split('://')[0]

    assert 'You have configured a result_backend of {}://'.format(scheme) in said[url]
    assert 'it is highly recommended to use an alternative result_backend' in said[url]


def test_nothing_is_said_of_a_database(said):
    assert 'result_backend' not in said[DATABASE.format(PASSWORD)]
