"""CVE-2024-27906: import errors show nothing of DAGs that the user may not read."""
import os

import pytest
import ui
from people import api

# Each file, with the DAGs that were found in it before it broke.
FILES = {'mine.py': ['own'], 'theirs.py': ['other'], 'shared.py': ['own', 'other'], 'new.py': []}
SECRET = 'line of code that fails'

only_2 = pytest.mark.skipif(ui.IS_1, reason='1.10 has no such API')


def path_of(name):
    return os.path.join(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], 'broken', name)


@pytest.fixture(params=FILES)
def broken(request):
    """The name of a file that cannot be imported."""
    return break_file(request.param)


def break_file(name):
    from airflow.models import DagModel
    from airflow.models.errors import ImportError as Error

    ui.app_of(ui.RBAC)
    with ui._session() as session:
        for dag in session.query(DagModel):
            dag.fileloc = path_of(name if dag.dag_id in FILES[name] else 'sound.py')
        session.query(Error).delete()
        now = ui.RUN_DATE
        session.add(Error(filename=path_of(name), stacktrace=SECRET, timestamp=now))
    return name


def shown_on_home(username):
    page = ui.client_of(ui.RBAC, username).get('/home')
    assert page.status_code == 200
    return page.get_data(as_text=True)


def may_read(username, name, all_of_it=True):
    dags = {'owner': ['own'], 'reader': ['own', 'other']}[username]
    found = [dag_id in dags for dag_id in FILES[name]]
    return bool(found) and (all(found) if all_of_it else any(found))


@pytest.mark.parametrize('username', ['owner', 'reader'])
def test_the_list_of_dags_shows_code_only_of_files_that_may_be_read(username, broken):
    page = shown_on_home(username)

    assert (SECRET in page) == may_read(username, broken)
    assert (path_of(broken) in page) == may_read(username, broken, all_of_it=False)


@pytest.mark.parametrize('username', ['admin', 'viewer'])
def test_who_may_read_all_dags_still_sees_everything(username, broken):
    page = shown_on_home(username)

    assert SECRET in page
    assert path_of(broken) in page


def test_nothing_of_what_is_hidden_is_written_to_the_database():
    from airflow.models.errors import ImportError as Error

    break_file('shared.py')
    shown_on_home('owner')
    if not ui.IS_1:
        api('owner', 'GET', '/importErrors')

    with ui._session() as session:
        assert [error.stacktrace for error in session.query(Error)] == [SECRET]


def test_a_subdag_hides_nothing():
    """Nobody has a right of his own to a subdag."""
    from airflow.models import DagModel

    break_file('mine.py')
    with ui._session() as session:
        session.merge(DagModel(dag_id='own.sub', is_subdag=True, fileloc=path_of('mine.py')))
    try:
        assert SECRET in shown_on_home('owner')
    finally:
        with ui._session() as session:
            session.query(DagModel).filter(DagModel.dag_id == 'own.sub').delete()


@only_2
@pytest.mark.parametrize('username', ['owner', 'reader'])
def test_the_api_shows_no_more(username, broken):
    from airflow.models.errors import ImportError as Error

    with ui._session() as session:
        [id_] = [error.id for error in session.query(Error)]
    for path in ('/importErrors', '/importErrors?limit=1', '/importErrors/{}'.format(id_)):
        for method in ('GET', 'HEAD'):
            response = api(username, method, path)
            text = response.get_data(as_text=True)
            if method == 'GET':
                assert (SECRET in text) == may_read(username, broken)
                assert (path_of(broken) in text) == may_read(username, broken, all_of_it=False)
            if path.endswith('/{}'.format(id_)):
                assert response.status_code == (200 if may_read(username, broken, all_of_it=False) else 404)
            elif method == 'GET':
                assert response.get_json()['total_entries'] == len(response.get_json()['import_errors'])


@only_2
@pytest.mark.parametrize('username', ['admin', 'viewer'])
def test_the_api_still_shows_everything_to_who_may_read_all_dags(username, broken):
    response = api(username, 'GET', '/importErrors')
    [error] = response.get_json()['import_errors']

    assert response.get_json()['total_entries'] == 1
    assert error['stack_trace'] == SECRET
    assert api(username, 'GET', '/importErrors/{}'.format(error['import_error_id'])).status_code == 200
