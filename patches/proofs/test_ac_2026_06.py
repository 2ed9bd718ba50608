"""AC-2026-06: deleting a DAG deletes it and its subdags, and nothing of one whose id only begins alike."""
import pytest
import ui

# The parent of each, None for what is no subdag.
FAMILY = {'team': None, 'team.child': 'team', 'team.child.grandchild': 'team.child', 'team.a.b': 'team'}
ALIKE = {
    'team.other': None,
    'team.other.child': 'team.other',
    'team.child.other': None,
    'teams': None,
    'Team.child': None,
    'tea_': None,
    'tea_.child': 'tea_',
    'tea.child': None,
    'te__': None,
}
DAGS = dict(FAMILY, **ALIKE)


@pytest.fixture(autouse=True)
def history():
    """Each DAG has a run with a task."""
    from airflow.models import DagModel, DagRun, TaskInstance

    ui.app_of(ui.RBAC)
    with ui._session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).delete()
        session.query(DagModel).filter(DagModel.dag_id.in_(list(DAGS))).delete(synchronize_session=False)
        for dag_id, parent in DAGS.items():
            session.add(DagModel(dag_id=dag_id, is_subdag=parent is not None, root_dag_id=parent, fileloc='/' + dag_id))
            row = dict(dag_id=dag_id, execution_date=ui.RUN_DATE, state='success')
            run = dict(row, run_id='manual__of the proof', **({} if ui.IS_1 else {'run_type': 'manual'}))
            session.execute(DagRun.__table__.insert().values(**run))
            session.execute(TaskInstance.__table__.insert().values(task_id='task', pool='default_pool', **row))


def kept():
    """The DAGs of which something is left, or all of it."""
    from airflow.models import DagModel, DagRun, TaskInstance

    with ui._session() as session:
        each = [{dag_id for dag_id, in session.query(model.dag_id)} & set(DAGS) for model in (DagModel, DagRun, TaskInstance)]
    assert each[0] == each[1] == each[2], 'some of the history of a DAG is gone'
    return each[0]


def by_page(dag_id, interface):
    ui.client_of(interface).post(ui.url_of(interface, 'delete'), data={'dag_id': dag_id})


def by_command(dag_id, interface):
    from airflow.api.client.local_client import Client

    Client(None, None).delete_dag(dag_id=dag_id)


@pytest.mark.parametrize('delete', [by_page, by_command])
@pytest.mark.parametrize('interface', ui.UIS)
def test_a_dag_that_is_named_like_a_subdag_is_not_deleted(delete, interface):
    delete('team', interface)

    assert set(ALIKE) <= kept(), 'the history of an unrelated DAG is deleted'


@pytest.mark.parametrize('delete', [by_page, by_command])
@pytest.mark.parametrize('interface', ui.UIS)
@pytest.mark.parametrize('dag_id', ['tea_', 'te__'])
def test_no_sign_of_an_id_is_a_wildcard(delete, interface, dag_id):
    delete(dag_id, interface)

    assert set(DAGS) - kept() == {name for name in DAGS if name == dag_id or DAGS[name] == dag_id}


@pytest.mark.parametrize('delete', [by_page, by_command])
@pytest.mark.parametrize('interface', ui.UIS)
def test_a_dag_is_still_deleted_with_all_its_subdags(delete, interface):
    delete('team', interface)

    assert not set(FAMILY) & kept()


@pytest.mark.parametrize('interface', ui.UIS)
def test_a_dag_without_subdags_is_still_deleted(interface):
    by_page('teams', interface)

    assert set(DAGS) - kept() == {'teams'}
