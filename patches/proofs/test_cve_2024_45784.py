"""CVE-2024-45784: sensitive values of the configuration are masked in logs of tasks and in rendered templates."""
import glob
import html
import os
import re
import subprocess
import sys

import pytest
import ui

DAG_ID = 'prints_configuration'
DATE = '2021-06-02T00:00:00+00:00'
SECRETS = {
    'core': {'fernet_key': 'MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=,QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY='},
    'celery': {
        'broker_url': 'redis://:broker-pw@one.invalid:6379/0;redis://:broker-p%40ss@two.invalid:6379/0',
        'flower_basic_auth': 'first:flower-one,second:flower-two',
    },
    'smtp': {'smtp_password': 'mail-pw'},
    'webserver': {'secret_key': 'key-of-sessions'},
}
BY_COMMAND = 'pw-from-a-command'
# Parts by which somebody gets in who does not have the whole value.
PARTS = [
    'MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=',
    'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=',
    'broker-pw',
    'broker-p@ss',
    'flower-one',
    'flower-two',
]
VALUES = [value for options in SECRETS.values() for value in options.values()]

DAG_FILE = '''
import os
from datetime import datetime
from airflow import DAG
from airflow.configuration import conf
from airflow.operators.python import PythonOperator
from airflow.operators.bash import BashOperator

SECRETS, PARTS = %r, %r

def prints():
    import logging
    log = logging.getLogger('airflow.task.proof')
    for section, options in SECRETS.items():
        for option in options:
            log.info('option %%s is <%%s>', option, conf.get(section, option))
            log.info('in a structure: %%s', {'a': [conf.get(section, option)]})
    log.info('by command <%%s>', conf.get('atlas', 'password'))
    for part in PARTS:
        log.info('part <%%s>', part)
    log.info('harmless: airflow, postgres, redis, first, second, smtp, one.invalid')
    log.info('default <%%s>', conf.get('celery', 'result_backend'))

with DAG(%r, start_date=datetime(2021, 6, 1), schedule_interval=None) as dag:
    PythonOperator(task_id='prints', python_callable=prints)
    BashOperator(task_id='prints_environment', bash_command='env | sort; echo the end of it')
    BashOperator(task_id='rendered', bash_command='{{ conf.get("smtp", "smtp_password") }} at {{ conf.get("smtp", "smtp_user", fallback="nobody") }}')
'''


@pytest.fixture(name='environment', scope='module')
def fixture_environment():
    ui.app_of(ui.RBAC)
    folder = os.environ['AIRFLOW__CORE__DAGS_FOLDER']
    with open(os.path.join(folder, 'prints.py'), 'w') as file:
        file.write(DAG_FILE % (SECRETS, PARTS, DAG_ID))
    # A task that is run by hand has no run whose next tasks could be scheduled.
    environment = dict(os.environ, AIRFLOW__SCHEDULER__SCHEDULE_AFTER_TASK_EXECUTION='False')
    for section, options in SECRETS.items():
        for option, value in options.items():
            environment['AIRFLOW__{}__{}'.format(section.upper(), option.upper())] = value
    environment['AIRFLOW__ATLAS__PASSWORD_CMD'] = 'echo ' + BY_COMMAND
    return environment


def airflow(environment, *arguments):
    """What a command prints, and what it writes to the logs of tasks."""
    from airflow.configuration import conf

    run = [sys.executable, '-m', 'airflow', 'tasks'] + list(arguments)
    process = subprocess.Popen(run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # Without colours, which no report of tests can hold.
    output = re.sub('\x1b[^m]*m', '', process.communicate()[0].decode())
    logs = os.path.join(conf.get('logging', 'base_log_folder'), DAG_ID)
    for path in glob.glob(os.path.join(logs, '*', '*', '*.log')):
        with open(path) as file:
            output += file.read()
        os.remove(path)
    return output, process.returncode


@pytest.fixture(name='printed', scope='module')
def fixture_printed(environment):
    """By `tasks test` on the terminal, and by what runs for an executor in the log."""
    outputs = {}
    outputs['test'], status = airflow(environment, 'test', DAG_ID, 'prints', DATE)
    assert status == 0, outputs['test']
    outputs['run'], status = airflow(environment, 'run', '--raw', DAG_ID, 'prints', DATE)
    assert status == 0, outputs['run']
    for output in outputs.values():
        assert 'option smtp_password is' in output, output
    return outputs


@pytest.mark.parametrize('command', ['test', 'run'])
def test_no_sensitive_value_of_the_configuration_is_printed(printed, command):
    seen = [value for value in VALUES if value in printed[command]]

    assert not seen, 'values of the configuration are in the log of a task'
    assert 'option smtp_password is <***>' in printed[command]


@pytest.mark.parametrize('command', ['test', 'run'])
def test_nor_a_password_or_key_that_is_a_part_of_one(printed, command):
    seen = [part for part in PARTS if '<{}>'.format(part) in printed[command]]

    assert not seen, 'passwords of the configuration are in the log of a task'


@pytest.mark.parametrize('command', ['test', 'run'])
def test_nor_one_that_a_command_prints(printed, command):
    assert BY_COMMAND not in printed[command], 'a value that comes from a command is in the log of a task'


@pytest.mark.parametrize('command', ['test', 'run'])
def test_words_of_values_that_nobody_set_stay_readable(printed, command):
    assert 'harmless: airflow, postgres, redis, first, second, smtp, one.invalid' in printed[command]
    assert 'default <db+postgresql://' in printed[command]


def test_the_environment_of_a_command_does_not_show_them_either(environment):
    output, status = airflow(environment, 'test', DAG_ID, 'prints_environment', DATE)

    assert status == 0 and 'the end of it' in output, output
    assert not [value for value in VALUES if value in output], 'a task printed the environment, and secrets with it'


def test_a_task_runs_where_a_command_or_backend_of_the_configuration_fails(environment):
    broken = dict(environment, AIRFLOW__ATLAS__PASSWORD_CMD='false', AIRFLOW__CELERY__RESULT_BACKEND_SECRET='nowhere')

    output, status = airflow(broken, 'test', DAG_ID, 'rendered', DATE)

    # `***` is no command: only that the task was run matters here.
    assert 'Running command' in output, output


def test_templates_that_are_rendered_for_a_page_show_none(environment, monkeypatch):
    from airflow.models import DagBag
    from airflow.models.serialized_dag import SerializedDagModel

    monkeypatch.setenv('AIRFLOW__SMTP__SMTP_PASSWORD', SECRETS['smtp']['smtp_password'])
    dag = DagBag(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], include_examples=False).get_dag(DAG_ID)
    dag.sync_to_db()
    SerializedDagModel.write_dag(dag)
    dag.create_dagrun(run_id='manual__1', execution_date=ui.RUN_DATE, state='running', external_trigger=True)
    values = {'dag_id': DAG_ID, 'task_id': 'rendered', 'execution_date': ui.RUN_DATE.isoformat()}
    response = ui.client_of(ui.RBAC).get('/rendered-templates', query_string=values)
    text = html.unescape(re.sub('<[^>]*>', '', response.get_data(as_text=True)))

    assert SECRETS['smtp']['smtp_password'] not in text, 'a rendered template shows the configuration'
    assert '*** at nobody' in text
