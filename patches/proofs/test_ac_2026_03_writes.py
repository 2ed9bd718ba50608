"""AC-2026-03: who may add and change XComs in general does so only with those of DAGs that he may edit."""
import pytest
import ui

NEW = {'key': 'new', 'value': '"new"', 'execution_date': '2021-06-02 00:00:00', 'task_id': 'task'}


@pytest.fixture(autouse=True)
def xcoms():
    """Each DAG has pushed a value."""
    from airflow.models.xcom import XCom

    ui.reset_runs()
    with ui._session() as session:
        session.query(XCom).delete()
        for dag_id in ('own', 'other'):
            row = dict(dag_id=dag_id, task_id='task', execution_date=ui.RUN_DATE, timestamp=ui.RUN_DATE)
            session.execute(XCom.__table__.insert().values(key='old', value=XCom.serialize_value('old'), **row))


def kept(dag_id):
    """The keys of the values of a DAG."""
    from airflow.models.xcom import XCom

    with ui._session() as session:
        return sorted(key for key, in session.query(XCom.key).filter(XCom.dag_id == dag_id))


def send(username, method, path, **data):
    """A form of the list of XComs, whatever becomes of it; 1.10 answers what is refused to a program with a fault."""
    client = ui.client_of(ui.RBAC, username)
    propagate, client.application.config['PROPAGATE_EXCEPTIONS'] = (
        client.application.config.get('PROPAGATE_EXCEPTIONS'), False)
    try:
        return client.open(path, method=method, data=dict(NEW, **data))
    finally:
        client.application.config['PROPAGATE_EXCEPTIONS'] = propagate


@pytest.mark.parametrize('username', ['owner', 'reader'])
@pytest.mark.parametrize('path', ['/xcom/add', '/xcom/api/create'])
def test_no_xcom_is_added_to_a_dag_that_the_user_may_not_edit(username, path):
    send(username, 'POST', path, dag_id='other')

    assert kept('other') == ['old'], 'an XCom of another DAG is added'


@pytest.mark.parametrize('username', ['owner', 'reader'])
@pytest.mark.parametrize('method, path', [('POST', '/xcom/edit/'), ('PUT', '/xcom/api/update/')])
@pytest.mark.parametrize('of, to', [('other', 'other'), ('other', 'own'), ('own', 'other')])
def test_no_xcom_of_such_a_dag_is_changed_taken_away_or_moved_there(username, method, path, of, to):
    row = ui.row_ids('xcom', of)[0]

    send(username, method, path + row, dag_id=to)
    ui.client_of(ui.RBAC, username).get('/xcom/list/')

    assert (kept('own'), kept('other')) == (['old'], ['old']), 'an XCom of another DAG is changed'


@pytest.mark.parametrize('username', ['owner', 'admin'])
def test_who_may_edit_the_dag_still_adds_and_changes_its_xcoms(username):
    send(username, 'POST', '/xcom/add', dag_id='own')

    assert kept('own') == ['new', 'old']

    send(username, 'POST', '/xcom/edit/' + ui.row_ids('xcom', 'own')[0], dag_id='own', key='newer')

    assert 'newer' in kept('own')
    assert kept('other') == ['old']
