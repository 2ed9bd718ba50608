"""AC-2026-03: who may delete XComs in general deletes only those of DAGs that he may edit."""
import pytest
import ui


@pytest.fixture(autouse=True)
def xcoms():
    """Each DAG has pushed two values."""
    from airflow.models.xcom import XCom

    ui.reset_runs()
    with ui._session() as session:
        session.query(XCom).delete()
        for dag_id in ('own', 'other'):
            for key in ('first', 'second'):
                row = dict(dag_id=dag_id, task_id='task', execution_date=ui.RUN_DATE, timestamp=ui.RUN_DATE)
                session.execute(XCom.__table__.insert().values(key=key, value=XCom.serialize_value(key), **row))


def kept(dag_id):
    """The keys of the values of a DAG."""
    from airflow.models.xcom import XCom

    with ui._session() as session:
        return sorted(key for key, in session.query(XCom.key).filter(XCom.dag_id == dag_id))


ALL = ['first', 'second']


@pytest.mark.parametrize('username', ['owner', 'reader'])
def test_no_selection_deletes_xcoms_of_a_dag_that_the_user_may_not_edit(username):
    ui.list_action(username, 'xcom', 'muldelete', ui.row_ids('xcom', 'other'))

    assert kept('other') == ALL, 'XComs of another DAG are deleted'


def test_a_selection_of_several_dags_is_refused_as_a_whole():
    rows = ui.row_ids('xcom', 'own') + ui.row_ids('xcom', 'other')

    for selection in (rows, rows[::-1]):
        ui.list_action('owner', 'xcom', 'muldelete', selection)

        assert kept('other') == ALL, 'XComs of another DAG are deleted'
        assert kept('own') == ALL


@pytest.mark.parametrize('username', ['owner', 'reader'])
def test_no_single_xcom_of_a_dag_that_the_user_may_not_edit_is_deleted(username):
    for row in ui.row_ids('xcom', 'other'):
        ui.client_of(ui.RBAC, username).post('/xcom/delete/' + row)

        assert kept('other') == ALL, 'an XCom of another DAG is deleted'


@pytest.mark.parametrize('username', ['owner', 'reader'])
@pytest.mark.parametrize('path', ['/xcom/api/delete/', '/xcom/action/muldelete/'])
@pytest.mark.parametrize('method', ['POST', 'DELETE'])
def test_nothing_else_that_takes_a_row_deletes_it(username, path, method):
    for row in ui.row_ids('xcom', 'other'):
        ui.client_of(ui.RBAC, username).open(path + row, method=method)

        assert kept('other') == ALL, 'an XCom of another DAG is deleted'


@pytest.mark.parametrize('username', ['owner', 'reader', 'admin'])
def test_who_may_edit_the_dag_still_deletes_a_selection(username):
    ui.list_action(username, 'xcom', 'muldelete', ui.row_ids('xcom', 'own'))

    assert (kept('own'), kept('other')) == ([], ALL)


@pytest.mark.parametrize('username', ['owner', 'admin'])
def test_who_may_edit_the_dag_still_deletes_one_of_its_xcoms(username):
    row = ui.row_ids('xcom', 'own')[0]

    ui.client_of(ui.RBAC, username).post('/xcom/delete/' + row)

    assert (len(kept('own')), kept('other')) == (1, ALL)
