"""CVE-2023-42781: a listing over all DAGs shows what belongs to those that the user may read."""
import re

import pytest
import ui
from people import api, forgotten, public_api

RUN = 'manual__of the proof'
PATHS = ['/dags/~/dagRuns/~/taskInstances', '/dags/~/dagRuns/{}/taskInstances'.format(RUN)]
FILTERS = [{}, {'state': 'success'}, {'limit': '5', 'offset': '0'}, {'pool': 'default_pool'}]


@pytest.fixture(autouse=True)
def runs():
    from airflow.models import XCom

    ui.reset_runs()
    with ui._session() as session:
        session.query(XCom).delete()
    for dag_id in ('own', 'other'):
        XCom.set(key='key', value='value', task_id='task', dag_id=dag_id, execution_date=ui.RUN_DATE)


def listed(username, path, **query):
    response = api(username, 'GET', path, query_string=query)
    assert response.status_code == 200
    return sorted(ti['dag_id'] for ti in response.get_json()['task_instances'])


@pytest.mark.parametrize('query', FILTERS)
@pytest.mark.parametrize('path', PATHS)
def test_only_task_instances_of_readable_dags_are_listed(path, query):
    assert listed('owner', path, **query) == ['own']


@pytest.mark.parametrize('method', ['GET', 'HEAD'])
def test_no_endpoint_shows_another_dag_where_each_id_is_left_open(method):
    """Whatever has a DAG in its path, with ~ or an id that fits for each name."""
    rules = [rule for rule in ui.app_of(ui.RBAC).url_map.iter_rules() if rule.rule.startswith('/api/v1/dags/')]
    paths = {re.sub('<[^>]*>', '~', rule.rule)[len('/api/v1') :] for rule in rules if 'GET' in rule.methods}
    for rule in rules:
        if 'GET' in rule.methods:
            ids = {'dag_id': '~', 'dag_run_id': RUN, 'task_id': 'task', 'xcom_key': 'key', 'task_try_number': '1'}
            fitting = re.sub('<(?:[^:>]*:)?([^>]*)>', lambda name: ids.get(name.group(1), '~'), rule.rule)
            paths.add(fitting[len('/api/v1') :])

    shown = [path for path in sorted(paths) if '"other"' in api('owner', method, path).get_data(as_text=True)]

    assert len(paths) > 10
    assert shown == []


@pytest.mark.parametrize('path', PATHS)
def test_reading_is_enough(path):
    assert listed('reader', path) == ['other', 'own']


@pytest.mark.parametrize('username', ['admin', 'viewer'])
@pytest.mark.parametrize('path', PATHS)
def test_who_may_read_all_dags_still_sees_all(path, username):
    assert listed(username, path) == ['other', 'own']


def test_who_may_read_all_dags_sees_what_is_left_of_one():
    with forgotten('other'):
        assert listed('admin', PATHS[0]) == ['other', 'own']
        assert listed('owner', PATHS[0]) == ['own']


def test_a_single_own_dag_is_still_listed():
    assert listed('owner', '/dags/own/dagRuns/~/taskInstances') == ['own']
    assert api('owner', 'GET', '/dags/other/dagRuns/~/taskInstances').status_code == 403


def test_where_everybody_may_do_everything_everybody_still_lists(monkeypatch):
    public_api(monkeypatch)

    for path in PATHS:
        assert api(None, 'GET', path).status_code == 200
