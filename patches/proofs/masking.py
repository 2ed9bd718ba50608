"""Tasks that print secrets in many ways, for the proofs about masking: run as an executor or a developer does.

1.10 and 2.x spell commands, options and modules differently.
"""
import glob
import html
import json
import os
import re
import subprocess
import sys

DAG_ID = 'prints_secrets'
DATE = '2021-06-02T00:00:00+00:00'
PASSWORD = 'hunter2-of-the-database'
# What quotes, URLs, shells and regular expressions do not leave as it is.
SPECIAL = 'sp"e\'c/i al+%@\\ü(.*[$^'
# Of which the first is the beginning.
LONG, LONGER = 'begins-like', 'begins-like-another-one'
KEY = '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----\n'
EXTRA = {
    'region': 'north-of-the-extra',
    'aws_secret_access_key': 'extra-one',
    'nested': [{'private_key': KEY, 'depth': 'deep-of-the-extra'}],
    'X-Api-Key': 'extra-two',
    'pin_passwd': 739154,
    'special_token': SPECIAL,
}
JSON = {
    'host': 'host-of-the-json',
    'user': [{'name': 'name-of-the-json', 'password': 'json-one'}],
    'tokens': {'first': 'json-two', 'all': ['json-three', 842617]},
    '': 'nameless-of-the-json',
}
VARIABLES = {
    'region': 'south-of-the-variable',
    'settings': json.dumps(JSON, indent=2),
    'api_secret': 'variable-one',
    'my_pin': 'variable-with-pin',
}
IN_ENVIRONMENT = {
    'AIRFLOW_CONN_FROM_ENVIRONMENT': 'http://login:environment%20one@host.invalid/?token=environment-two&page=ninth',
    'AIRFLOW_VAR_PASSWORD_OF_MAIL': 'environment-three',
    'AIRFLOW_VAR_COLOUR': 'colour-of-the-environment',
}

DAG_FILE = r'''
import collections, html, json, logging, shlex, sys
from datetime import datetime
from urllib.parse import quote, quote_plus
from airflow import DAG
from airflow.models import Connection, Variable
try:
    from airflow.hooks.base import BaseHook
    from airflow.operators.bash import BashOperator
    from airflow.operators.python import PythonOperator
except ImportError:
    from airflow.hooks.base_hook import BaseHook
    from airflow.operators.bash_operator import BashOperator
    from airflow.operators.python_operator import PythonOperator

log = logging.getLogger('airflow.task.proof')
CASES = collections.OrderedDict()

def case(function):
    CASES[function.__name__] = function
    return function

def says():
    for name in ('database', 'special', 'long', 'longer', 'from_environment'):
        BaseHook.get_connection(name)
    broken = []
    for name, function in CASES.items():
        log.info('BEGIN %%s', name)
        try:
            function()
            print('')
            log.info('END %%s', name)
        except Exception as error:
            # Where logging itself fails, the others are still to be seen.
            broken.append(name)
    if broken:
        raise Exception('broken: %%s' %% broken)

def password():
    return BaseHook.get_connection('database').password

def special():
    return BaseHook.get_connection('special').password

@case
def plain():
    log.info('<%%s>', password())
    log.info('<' + password() + '>')
    logging.getLogger('somebody.else').warning('<%%s>', password())

@case
def printed():
    print('printed', password())
    print('printed', password(), file=sys.stderr)
    sys.stdout.write('written ' + password() + '\n')

@case
def from_the_environment():
    connection = BaseHook.get_connection('from_environment')
    log.info('%%s %%s %%s', connection.password, connection.extra, connection.get_uri())
    # The first of 1.10 reads no Variables from there.
    log.info(Variable.get('password_of_mail', default_var='not there'))

@case
def extra():
    connection = BaseHook.get_connection('database')
    log.info(connection.extra)
    log.info(connection.get_uri())
    log.info('%%s', connection.extra_dejson)
    for value in ('extra-one', 'extra-two', 739154):
        log.info('<%%s>', value)

@case
def lines_of_a_key():
    for line in BaseHook.get_connection('database').extra_dejson['nested'][0]['private_key'].splitlines():
        log.info(line)

@case
def variable():
    log.info(Variable.get('api_secret'))
    log.info('in %%s', Variable.get('region'))

@case
def json_variable():
    text = Variable.get('settings')
    log.info(text)
    settings = Variable.get('settings', deserialize_json=True)
    log.info('%%s', settings)
    log.info('%%s', settings['user'][0]['password'])
    log.info('%%s', settings['tokens']['first'])
    for value in settings['tokens']['all']:
        log.info('%%s', value)
    log.info('%%s and %%s', settings['host'], settings[''])

@case
def set_by_the_task():
    Variable.set('token_of_today', 'set-by-the-task')
    connection = Connection(conn_id='new', conn_type='http', host='h', password='made-by-the-task')
    log.info('%%s and %%s', 'set-by-the-task', connection.password)

@case
def structures():
    Point = collections.namedtuple('Point', 'x y')
    log.info('%%s', [password()])
    log.info('%%s', (password(), 'in a tuple'))
    log.info('%%s', {password()})
    log.info('%%s', frozenset([password()]))
    log.info('%%s', Point(password(), 'in a point'))
    log.info('%%s', {password(): 'as a key'})
    log.info('%%(who)s logs in', {'who': password()})
    log.info({'a': [password()]})

@case
def by_name():
    log.info('%%s', {'api_key': 'by-name', 'numbers': {'password': 5150}, 'who': 'somebody'})
    log.info('it has %%(password)d signs', {'password': 12})

@case
def cyclic():
    mapping = {'password': 'by-name', 'list': [password()], 'who': 'somebody'}
    mapping['self'] = mapping
    mapping['list'].append((mapping['list'],))
    log.info('%%s', mapping)

@case
def bytes_and_numbers():
    log.info('%%s', password().encode())
    log.info('%%r', bytearray(password().encode()))
    log.info('%%s', special().encode())
    log.info('%%d and %%s', 739154, 842617.0)

class Thing:
    def __init__(self, text):
        self.text = text

    def __str__(self):
        return 'a thing of ' + self.text

    __repr__ = __str__

@case
def objects():
    log.info('%%s', Thing(password()))
    log.info('%%s', [Thing(password())])
    log.info(Thing(password()))
    log.info('%%s', ValueError(password()))
    log.error(ValueError(password()))

@case
def extra_of_the_record():
    handlers = [getattr(handler, 'handler', handler) for handler in logging.getLogger().handlers + logging.getLogger('airflow.task').handlers]
    handlers = [handler for handler in handlers if handler]
    before = [handler.formatter for handler in handlers]
    asking = [password(), [password()], Thing(password()), 'somebody']
    for handler in handlers:
        handler.setFormatter(logging.Formatter('%%(message)s by %%(who)s'))
    for who in asking:
        log.info('asked', extra={'who': who})
    for handler, formatter in zip(handlers, before):
        handler.setFormatter(formatter)

@case
def spelled_differently():
    for spelled in (
        special(),
        repr(special()),
        json.dumps(special()),
        json.dumps(json.dumps(special())),
        quote(special()),
        quote(special(), safe=''),
        quote_plus(special()),
        quote(special(), safe='').lower(),
        quote(quote(special())),
        shlex.quote(special()),
        html.escape(special()),
        str({'a': special()}),
        BaseHook.get_connection('special').get_uri(),
        ascii(special()),
    ):
        log.info('it is {%%s}', spelled)
    log.info('sp"e and al stay readable, so does $^')

@case
def one_begins_like_another():
    log.info('<begins-like> <begins-like-another-one> <begins> <another-one>')

def short():
    log.info('BEGIN short')
    for name in ('letter', 'word', 'nothing'):
        BaseHook.get_connection(name)
    log.info('every letter e stays, and so do Tuesday and tuesdays')
    log.info('the word [tue] does not')
    print('')
    log.info('END short')

@case
def harmless():
    log.info('ordinary words stay: database, hunter, host, north, %%s of %%.2f or %%d%%%%', 3, 2.5, 7)
    log.info('%%s', {'b'})
    log.info('%%s %%r', b'bytes', bytearray(b'array'))
    numbers = iter([1, 2, 3])
    log.info('%%s', type(numbers))
    log.debug('not shown')
    log.info('an iterator: %%s', numbers)
    log.info('still has %%s', list(numbers))
    log.info(['a', ('b',)])
    log.info('%%(first)s and %%(second)d', {'first': 'one', 'second': 2})
    log.info('true false null None')
    log.info(None)

@case
def wrong_arguments():
    log.info('%%s and %%s', password())
    log.info('%%d', password())

@case
def no_error():
    log.exception('there was none')

def fail():
    try:
        try:
            raise KeyError(special())
        except KeyError:
            raise ValueError('second: ' + password())
    except ValueError as error:
        raise RuntimeError('third', {'a': [password()]}) from error

@case
def errors():
    try:
        fail()
    except RuntimeError:
        log.exception('it failed with %%s', password())

@case
def text_of_an_error_is_not_its_arguments():
    class Refused(Exception):
        def __str__(self):
            return 'refused: ' + password()
    try:
        try:
            raise Refused()
        except Refused as error:
            raise ValueError('because') from error
    except ValueError as error:
        log.warning('so', exc_info=True)
        log.warning('so', exc_info=error)

def fails():
    log.info('BEGIN fails')
    for name in ('database', 'special'):
        BaseHook.get_connection(name)
    fail()

with DAG(%r, start_date=datetime(2021, 6, 1), schedule_interval=None) as dag:
    PythonOperator(task_id='says', python_callable=says)
    PythonOperator(task_id='short', python_callable=short)
    PythonOperator(task_id='fails', python_callable=fails)
    # With a space in front it is no file with a template.
    BashOperator(task_id='environment', bash_command='env; echo "the end of it" ')
    BashOperator(
        task_id='rendered',
        bash_command='login {{ var.value.api_secret }} at {{ var.value.region }} with {{ var.json.settings.user }} ',
        env={'password': 'literal-in-a-field', 'number_of_token': '31', 'where': 'literal-at-home'},
    )
    BashOperator(task_id='pin', bash_command='pin {{ var.value.my_pin }} in {{ var.value.region }} ')
    BashOperator(task_id='broken', bash_command='{{ macros.datetime.strptime(var.value.api_secret, "%%Y") }} ')
'''


# What must not be read; numbers and short ones as they are printed.
SECRETS = [
    PASSWORD,
    SPECIAL,
    '<begins-like',
    'begins-like-another',
    'MIIEvQIBADANBgkqhkiG9w0B',
    'AQEFAASCBKcwggSjAgEAAoIB',
    'extra-one',
    'extra-two',
    '739154',
    'json-one',
    'json-two',
    'json-three',
    '842617',
    'variable-one',
    'environment one',
    'environment%20one',
    'environment-two',
    'environment-three',
    'set-by-the-task',
    'made-by-the-task',
    'by-name',
]


def seen(text):
    """The secrets in a text."""
    return [secret for secret in SECRETS if secret in text]


def is_1():
    import importlib.util

    return importlib.util.find_spec('airflow.www_rbac') is not None


def prepare():
    """The DAG, the connections and the Variables are there."""
    from airflow.models import Connection, Variable
    from airflow.settings import Session

    folder = os.environ['AIRFLOW__CORE__DAGS_FOLDER']
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'prints_secrets.py'), 'w') as file:
        file.write(DAG_FILE % DAG_ID)
    passwords = {'database': PASSWORD, 'special': SPECIAL, 'long': LONG, 'longer': LONGER}
    passwords.update({'letter': 'e', 'word': 'tue', 'nothing': ''})
    session = Session()
    for name, password in passwords.items():
        extra = json.dumps(EXTRA) if name == 'database' else None
        session.add(Connection(conn_id=name, conn_type='http', host='h', login='l', password=password, extra=extra))
    session.commit()
    for key, value in VARIABLES.items():
        Variable.set(key, value)
    session = Session()
    session.commit()


def airflow(command, task_id, *options, **environment):
    """What `airflow tasks COMMAND` prints, and what it writes to the logs of tasks, without colours; and its status."""
    from airflow.configuration import conf

    program = [os.path.join(os.path.dirname(sys.executable), 'airflow')] + ([] if is_1() else ['tasks'])
    words = program + [command] + list(options) + [DAG_ID, task_id, DATE]
    # A task that is run by hand has no run whose next tasks could be scheduled.
    variables = dict(os.environ, AIRFLOW__SCHEDULER__SCHEDULE_AFTER_TASK_EXECUTION='False', PYTHONIOENCODING='utf-8')
    variables.update(IN_ENVIRONMENT, **environment)
    process = subprocess.Popen(words, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.communicate()[0].decode('utf-8')
    logs = conf.get('core', 'base_log_folder') if is_1() else conf.get('logging', 'base_log_folder')
    for path in glob.glob(os.path.join(os.path.expanduser(logs), DAG_ID, '*', '*', '*.log')):
        with open(path, encoding='utf-8') as file:
            output += file.read()
        os.remove(path)
    return re.sub('\x1b[^m]*m', '', output), process.returncode


def sections(output):
    """What was said in each case of the task `says`, by its name."""
    return dict(re.findall(r'BEGIN (\w+)\n(.*?)\n[^\n]*END \1\n', output, re.DOTALL))


def text_of(page):
    """What a page shows, without its markup, as colours may stand between characters."""
    return html.unescape(re.sub('<[^>]*>', '', page))
