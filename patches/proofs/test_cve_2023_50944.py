"""CVE-2023-50944: the API shows the source of a file to who may read the DAGs in it."""
import os

import pytest
import ui
from people import api, public_api

SECRET = 'password_of_a_dag = 1'
OWN_FILE = 'a_file_of_own.py'


def file_of(name):
    return os.path.join(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], name)


@pytest.fixture(autouse=True)
def files():
    """A file with `own` and its subdag, one with `other`, one with both, and one with none."""
    from airflow.models import DagModel
    from airflow.models.dagcode import DagCode

    ui.app_of(ui.RBAC)
    dags = {OWN_FILE: ['own', 'own.sub'], 'other.py': ['other'], 'both.py': ['own', 'other'], 'none.py': []}
    with ui._session() as session:
        for name in dags:
            with open(file_of(name), 'w') as file:
                file.write(SECRET)
            DagCode.bulk_sync_to_db([file_of(name)])
        for dag_id in ('own', 'other', 'own.sub'):
            dag = session.query(DagModel).filter(DagModel.dag_id == dag_id).one_or_none() or DagModel(dag_id=dag_id)
            dag.is_active, dag.is_subdag = True, '.' in dag_id
            session.merge(dag)
    yield lambda name: place(dags[name], name)


def place(dag_ids, name):
    from airflow.models import DagModel

    with ui._session() as session:
        for dag in session.query(DagModel):
            dag.fileloc = file_of(name if dag.dag_id in dag_ids else 'elsewhere.py')


def source(username, name, method='GET', **values):
    from itsdangerous import URLSafeSerializer

    token = URLSafeSerializer(ui.app_of(ui.RBAC).config['SECRET_KEY']).dumps(file_of(name))
    return api(username, method, '/dagSources/' + token, **values)



@pytest.mark.parametrize('name', ['other.py', 'both.py', 'none.py'])
@pytest.mark.parametrize('accept', ['text/plain', 'application/json'])
def test_the_source_of_a_dag_that_the_user_may_not_read_is_not_shown(files, name, accept):
    files(name)

    response = source('owner', name, accept=accept)

    assert SECRET not in response.get_data(as_text=True)
    assert response.status_code == 403


@pytest.mark.parametrize('method', ['HEAD', 'OPTIONS', 'POST'])
def test_nor_by_another_method(files, method):
    files('other.py')

    response = source('owner', 'other.py', method=method)

    assert SECRET not in response.get_data(as_text=True)
    assert response.status_code != 200 or method == 'OPTIONS'


def test_the_source_of_an_own_file_is_still_shown_with_a_subdag_in_it(files):
    """Nobody has a right of his own to a subdag."""
    files(OWN_FILE)

    response = source('owner', OWN_FILE)

    assert response.status_code == 200
    assert SECRET in response.get_data(as_text=True)


def test_a_file_with_several_dags_is_shown_to_who_may_read_each(files):
    files('both.py')

    assert source('reader', 'both.py').status_code == 200


@pytest.mark.parametrize('name', [OWN_FILE, 'other.py', 'both.py', 'none.py'])
@pytest.mark.parametrize('username', ['admin', 'viewer'])
def test_who_may_read_all_dags_still_reads_all_files(files, username, name):
    files(name)

    response = source(username, name)

    assert response.status_code == 200
    assert SECRET in response.get_data(as_text=True)


def test_a_token_of_nothing_is_still_not_found():
    assert api('admin', 'GET', '/dagSources/nonsense').status_code == 404


def test_where_everybody_may_do_everything_everybody_still_reads(files, monkeypatch):
    public_api(monkeypatch)
    files('other.py')

    assert source(None, 'other.py').status_code == 200
