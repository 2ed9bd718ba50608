"""AIRFLOW-15599: who configures names of secrets, or handlers of logs, has them respected."""
import os

import masking
import pytest

SWITCH, NAMES = (
    ('AIRFLOW__ADMIN__HIDE_SENSITIVE_VARIABLE_FIELDS', 'AIRFLOW__ADMIN__SENSITIVE_VARIABLE_FIELDS')
    if masking.is_1()
    else ('AIRFLOW__CORE__HIDE_SENSITIVE_VAR_CONN_FIELDS', 'AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES')
)
SECTION = 'CORE' if masking.is_1() else 'LOGGING'
# One that was written before there was a filter, and has handlers of its own.
LOGGING = '''
from copy import deepcopy
from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG

CONFIG = deepcopy(DEFAULT_LOGGING_CONFIG)
CONFIG.pop('filters', None)
CONFIG['handlers']['own'] = dict(CONFIG['handlers']['task'])
CONFIG['loggers']['airflow.task']['handlers'] = ['task', 'own']
for parts in list(CONFIG['handlers'].values()) + list(CONFIG['loggers'].values()) + [CONFIG['root']]:
    parts.pop('filters', None)
'''


@pytest.fixture(name='ready', scope='module', autouse=True)
def fixture_ready():
    masking.prepare()
    folder = os.path.join(os.environ['AIRFLOW_HOME'], 'config')
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'logging_of_the_proof.py'), 'w') as file:
        file.write(LOGGING)


def test_handlers_that_somebody_configured_before_show_no_secrets():
    settings = {'AIRFLOW__{}__LOGGING_CONFIG_CLASS'.format(SECTION): 'logging_of_the_proof.CONFIG'}

    output, _ = masking.airflow('run', 'says', '--raw', **settings)

    said = masking.sections(output)
    assert 'plain' in said, 'a task fails where the configuration of logs is from before'
    assert not masking.seen(output), 'the log of a task holds secrets'
    assert output.count('in south-of-the-variable') == 2


def test_who_hides_nothing_by_its_name_still_hides_passwords():
    output, _ = masking.airflow('run', 'says', '--raw', **{SWITCH: 'False'})

    said = masking.sections(output)
    assert masking.PASSWORD not in output, 'the log of a task holds a password'
    assert 'variable-one' in said['variable'] and 'json-one' in said['json_variable']


def test_a_name_that_somebody_adds_is_one_of_a_secret():
    # A comma at the end is no name, and so no part of all of them.
    output, _ = masking.airflow('render', 'pin', **{NAMES: 'Pin, region_of,'})

    assert 'pin *** in south-of-the-variable' in output, 'a name that was configured is not heeded, or too much'


def test_without_that_it_is_not():
    output, _ = masking.airflow('render', 'pin')

    assert 'pin variable-with-pin in south-of-the-variable' in output
