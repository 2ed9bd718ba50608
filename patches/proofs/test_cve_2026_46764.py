"""CVE-2026-46764: the API shows entries of the audit log for DAGs that the user may read."""
import pytest
import ui
from people import api, forgotten

DAGS = ['own', 'other', None]


@pytest.fixture(autouse=True)
def entries():
    """An entry for each DAG, and one for none; what other requests add is not among them. The ids, by DAG."""
    from airflow.models import Log

    with ui.app_of(ui.RBAC).app_context():
        manager = ui.app_of(ui.RBAC).appbuilder.sm
        for name in ('owner', 'reader'):
            right = manager.add_permission_view_menu('can_read', 'Audit Logs')
            manager.add_permission_role(manager.find_role(name), right)
    ui.let_go()
    with ui._session() as session:
        session.query(Log).delete()
        for dag_id in DAGS:
            log = Log(event='of the proof', task_instance=None, owner='somebody', extra='secret')
            log.dag_id = dag_id
            session.add(log)
    with ui._session() as session:
        return {log.dag_id: log.id for log in session.query(Log)}


def listed(username, **query):
    response = api(username, 'GET', '/eventLogs', query_string=query)
    assert response.status_code == 200
    found = [entry['dag_id'] for entry in response.get_json()['event_logs']]
    return response.get_json()['total_entries'], sorted(found, key=str)


@pytest.mark.parametrize('dag_id', ['other', None])
@pytest.mark.parametrize('method', ['GET', 'HEAD'])
def test_an_entry_that_may_not_be_read_is_not_found(entries, dag_id, method):
    response = api('owner', method, '/eventLogs/{}'.format(entries[dag_id]))

    assert 'secret' not in response.get_data(as_text=True)
    assert response.status_code == 404


def test_the_answer_is_the_same_as_for_one_that_there_is_not(entries):
    there, nowhere = (api('owner', 'GET', '/eventLogs/{}'.format(id_)) for id_ in (entries['other'], 987654))

    assert there.status_code == nowhere.status_code
    assert there.get_json()['title'] == nowhere.get_json()['title']


@pytest.mark.parametrize('query', [{}, {'limit': '100'}, {'limit': '1', 'offset': '0'}])
def test_the_list_shows_and_counts_no_others(query):
    assert listed('owner', **query) == (1, ['own'])


def test_no_offset_reaches_them():
    assert all(listed('owner', limit=1, offset=offset)[1] == [] for offset in range(1, 5))


def test_own_ones_are_still_shown(entries):
    response = api('owner', 'GET', '/eventLogs/{}'.format(entries['own']))

    assert response.status_code == 200
    assert response.get_json()['dag_id'] == 'own'


def test_reading_is_enough(entries):
    assert listed('reader') == (2, ['other', 'own'])
    assert api('reader', 'GET', '/eventLogs/{}'.format(entries['other'])).status_code == 200


def test_an_admin_still_sees_all_with_those_of_no_dag_and_of_what_is_gone(entries):
    with forgotten('other'):
        assert listed('admin') == (3, [None, 'other', 'own'])
        assert all(api('admin', 'GET', '/eventLogs/{}'.format(id_)).status_code == 200 for id_ in entries.values())


def test_the_list_of_the_website_agrees():
    page = ui.client_of(ui.RBAC, 'owner').get('/log/list/').get_data(as_text=True)

    assert 'other' not in [link for link in ui.Page(page).links]
