"""CVE-2025-65995: an import error names the arguments that an operator does not know, but not what they hold."""
import base64
import html
import os

import pytest
import ui

SECRET = 'hunter2-of-the-operator'
# The secret is not in the source, which an error may quote.
DAG_FILE = '''
from datetime import datetime
from airflow import DAG
from airflow.operators.bash import BashOperator
from airflow.operators.python import PythonOperator

SECRET = ''.join(reversed({!r}))
with DAG({!r}, start_date=datetime(2021, 6, 1), schedule_interval=None) as dag:
    {}
'''
TASKS = {
    'a_password': "BashOperator(task_id='task', bash_command='true', pasword=SECRET)",
    'beside_another': "BashOperator(task_id='task', bash_command='true', token=SECRET, unknown=1)",
    'nested': "BashOperator(task_id='task', bash_command='true', options=dict(auth=['user', SECRET]))",
    'of_another_operator': "PythonOperator(task_id='task', python_callable=print, conn=dict(key=SECRET.encode()))",
}
NAMES = {'a_password': ['pasword'], 'beside_another': ['token', 'unknown'], 'nested': ['options'], 'of_another_operator': ['conn']}


@pytest.fixture(name='errors', scope='module')
def fixture_errors():
    """What the list of import errors shows on the page and by the API, and the errors as they were stored."""
    from airflow.models import DagBag
    from airflow.models.errors import ImportError as Stored
    from airflow.utils.session import create_session

    ui.app_of(ui.RBAC)
    folder = os.environ['AIRFLOW__CORE__DAGS_FOLDER']
    for name, task in TASKS.items():
        with open(os.path.join(folder, name + '.py'), 'w') as file:
            file.write(DAG_FILE.format(SECRET[::-1], name, task))
    bag = DagBag(folder, include_examples=False)
    with create_session() as session:
        # As the process that reads a file does it.
        for path, text in bag.import_errors.items():
            session.add(Stored(filename=path, stacktrace=text, timestamp=ui.RUN_DATE))
    page = html.unescape(ui.client_of(ui.RBAC).get('/home').get_data(as_text=True))
    token = base64.b64encode('admin:{}'.format(ui.PASSWORD).encode()).decode()
    api = ui.app_of(ui.RBAC).test_client().get('/api/v1/importErrors', headers={'Authorization': 'Basic ' + token})
    assert api.status_code == 200
    stored = {os.path.basename(path)[:-3]: text for path, text in bag.import_errors.items()}
    return {'page': page, 'api': api.get_data(as_text=True), 'stored': stored}


@pytest.mark.parametrize('where', ['page', 'api'])
def test_no_value_of_an_argument_is_shown(errors, where):
    assert SECRET not in errors[where], 'an import error shows what an operator was given'


@pytest.mark.parametrize('name', list(TASKS))
def test_nor_is_one_stored_while_the_names_are(errors, name):
    text = errors['stored'][name]

    assert SECRET not in text, 'an import error holds what an operator was given'
    assert all(argument in text for argument in NAMES[name])
    assert 'Invalid arguments were passed to' in text and 'task' in text


def test_the_warning_where_such_arguments_are_allowed_shows_none_either(monkeypatch):
    from airflow.operators.bash import BashOperator

    monkeypatch.setenv('AIRFLOW__OPERATORS__ALLOW_ILLEGAL_ARGUMENTS', 'True')
    with pytest.warns(PendingDeprecationWarning) as caught:
        task = BashOperator(task_id='task', bash_command='true', pasword=SECRET)

    said = [str(warning.message) for warning in caught]
    assert not any(SECRET in text for text in said), 'a warning shows what an operator was given'
    assert any('pasword' in text for text in said)
    assert task.bash_command == 'true'
