"""CVE-2023-42663: the batch listing of task instances shows those of DAGs that the user may read."""
import pytest
import ui
from people import api, forgotten, public_api

PATH = '/dags/~/dagRuns/~/taskInstances/list'


@pytest.fixture(autouse=True)
def runs():
    ui.reset_runs()


def listed(username, **body):
    """The response, and the DAGs of the task instances in it."""
    response = api(username, 'POST', PATH, json=body)
    found = (response.get_json() or {}).get('task_instances', [])
    return response, sorted(instance['dag_id'] for instance in found)


FILTERS = [{}, {'state': ['success']}, {'queue': ['default']}, {'pool': ['default_pool']}]


@pytest.mark.parametrize('body', FILTERS)
def test_without_a_dag_only_readable_ones_are_listed(body):
    response, dag_ids = listed('owner', **body)

    assert 'other' not in dag_ids
    assert response.status_code == 200


@pytest.mark.parametrize('dag_ids', [['other'], ['own', 'other'], ['other', 'own'], ['other', 'other']])
def test_naming_a_dag_that_may_not_be_read_is_refused(dag_ids):
    response, found = listed('owner', dag_ids=dag_ids)

    assert 'other' not in found
    assert response.status_code == 403


def test_the_answer_does_not_tell_whether_a_dag_is_there():
    assert listed('owner', dag_ids=['nowhere'])[0].status_code == listed('owner', dag_ids=['other'])[0].status_code


def test_own_ones_are_still_listed():
    assert listed('owner')[1] == ['own']
    assert listed('owner', dag_ids=['own'])[1] == ['own']
    assert listed('owner', dag_ids=[])[1] == []


def test_reading_is_enough():
    assert listed('reader')[1] == ['other', 'own']
    assert listed('reader', dag_ids=['other'])[1] == ['other']


@pytest.mark.parametrize('username', ['admin', 'viewer'])
def test_who_may_read_all_dags_still_sees_all(username):
    assert listed(username)[1] == ['other', 'own']
    assert listed(username, dag_ids=['other', 'own'])[1] == ['other', 'own']
    assert listed(username, dag_ids=['nowhere'])[0].status_code == 200


def test_who_may_read_all_dags_sees_what_is_left_of_one():
    with forgotten('other'):
        assert listed('admin')[1] == ['other', 'own']
        assert listed('owner')[1] == ['own']


def test_where_everybody_may_do_everything_everybody_still_lists(monkeypatch):
    public_api(monkeypatch)

    for body in ({}, {'dag_ids': ['other']}):
        assert api(None, 'POST', PATH, json=body).status_code == 200
