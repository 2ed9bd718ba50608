"""AC-2026-04: clearing tasks of a DAG clears tasks of others only for who may edit those as well."""
import os

import people
import pytest
import ui

# The application reads the DAGs while it is made.
pytestmark = pytest.mark.fresh_process

LINKED = '''
from datetime import datetime
from airflow import DAG
try:
    from airflow.operators.dummy import DummyOperator
    from airflow.operators.subdag import SubDagOperator
except ImportError:
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.operators.subdag_operator import SubDagOperator
try:
    from airflow.sensors.external_task import ExternalTaskMarker
except ImportError:
    try:
        from airflow.sensors.external_task_sensor import ExternalTaskMarker
    except ImportError:
        ExternalTaskMarker = None

DATES = dict(start_date=datetime(2021, 6, 1), schedule_interval=None)



def subdag():
    child = DAG('family.child', **DATES)
    DummyOperator(task_id='task', dag=child)
    return child


family = DAG('family', **DATES)
SubDagOperator(task_id='child', subdag=subdag(), dag=family) >> DummyOperator(task_id='after', dag=family)

if ExternalTaskMarker:
    for target in ('other', 'own', 'family'):
        dag = DAG('points_to_' + target, **DATES)
        task_id = 'after' if target == 'family' else 'task'
        ExternalTaskMarker(task_id='marker', external_dag_id=target, external_task_id=task_id, dag=dag)
        globals()['points_to_' + target] = dag
'''
FOLDER = os.environ['AIRFLOW__CORE__DAGS_FOLDER']
os.makedirs(FOLDER, exist_ok=True)
with open(os.path.join(FOLDER, 'linked_dags.py'), 'w') as linked:
    linked.write(LINKED)

RUN_ID = 'manual__of the proof'


@pytest.fixture(name='dags', autouse=True)
def fixture_dags():
    """All DAGs have one run that ended well; `owner` may edit what points elsewhere, and `parent` what has a subdag."""
    from airflow.models import DagBag, DagRun, TaskInstance

    app = ui.app_of(ui.RBAC)
    with app.app_context():
        security = people.security()
        if security.find_user('parent') is None:
            role = security.add_role('parent')
            for right in security.find_role('owner').permissions:
                # What is for all DAGs alike; not what `owner` may do with `own`.
                if right.permission.name not in (ui.EDIT, ui.READ) or right.view_menu.name not in ('own', 'DAG:own'):
                    security.add_permission_role(role, right)
            for dag_id in ('points_to_other', 'points_to_own', 'points_to_family', 'family.child'):
                security.sync_perm_for_dag(dag_id, {'owner': {ui.EDIT, ui.READ}})
            security.sync_perm_for_dag('family', {'parent': {ui.EDIT, ui.READ}})
            email = 'parent@example.invalid'
            assert security.add_user('parent', 'parent', 'Proof', email, role, ui.PASSWORD)
    with ui._session() as session:
        session.query(TaskInstance).delete()
        session.query(DagRun).delete()
    dags = DagBag(FOLDER, include_examples=False).dags
    for dag in dags.values():
        dag.create_dagrun(run_id=RUN_ID, execution_date=ui.RUN_DATE, state='success', external_trigger=True)
    with ui._session() as session:
        for instance in session.query(TaskInstance):
            instance.state, instance.start_date, instance.end_date = 'success', ui.RUN_DATE, ui.RUN_DATE
            instance.operator = type(dags[instance.dag_id].get_task(instance.task_id)).__name__
    if 'points_to_other' not in dags:
        dags = {name: dag for name, dag in dags.items() if name.startswith('family')}
    return dags


def needs(dags, dag_id):
    if dag_id not in dags:
        pytest.skip('this version has no ExternalTaskMarker')


def cleared():
    """The DAGs with tasks that were cleared."""
    from airflow.models import TaskInstance

    with ui._session() as session:
        tasks = session.query(TaskInstance.dag_id, TaskInstance.state)
        return sorted({dag_id for dag_id, state in tasks if state != 'success'})


def clear(way, username, dag_id, confirmed=True):
    """Asks for the tasks of the run of a DAG to be cleared, and all that hangs together with them; the response."""
    if way == 'api':
        body = {
            'dry_run': not confirmed,
            'only_failed': False,
            'only_running': False,
            'include_subdags': True,
            'include_parentdag': True,
            'reset_dag_runs': True,
            'start_date': ui.RUN_DATE.isoformat(),
            'end_date': ui.RUN_DATE.isoformat(),
        }
        return people.api(username, 'POST', '/dags/{}/clearTaskInstances'.format(dag_id), json=body)
    form = {'dag_id': dag_id, 'execution_date': ui.RUN_DATE.isoformat(), 'recursive': 'true', 'origin': '/home'}
    form['task_id'] = {'family.child': 'task', 'family': 'child', 'own': 'task'}.get(dag_id, 'marker')
    form['confirmed'] = str(confirmed).lower()
    return ui.client_of(ui.RBAC, username).post('/' + way, data=form)


WAYS = ['clear', 'dagrun_clear'] if ui.IS_1 else ['clear', 'dagrun_clear', 'api']
# What `owner` may clear, and the DAG that is cleared with it.
ACROSS = [('points_to_other', 'other'), ('points_to_family', 'family'), ('family.child', 'family')]


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('dag_id, beyond', ACROSS)
def test_no_dag_is_cleared_that_the_user_may_not_edit(dags, way, dag_id, beyond):
    needs(dags, dag_id)

    response = clear(way, 'owner', dag_id)

    assert beyond not in cleared(), 'tasks of a DAG are cleared that the user may not edit'
    assert cleared() == [], 'half of it is cleared'
    assert response.status_code == (403 if way == 'api' else 302)


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('dag_id, beyond', ACROSS)
def test_nothing_is_told_of_tasks_that_would_be_cleared_there(dags, way, dag_id, beyond):
    needs(dags, dag_id)

    text = clear(way, 'owner', dag_id, confirmed=False).get_data(as_text=True)

    assert beyond + '.' not in text.replace(dag_id, '') and '"{}"'.format(beyond) not in text, 'it tells of another DAG'
    assert cleared() == []


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('dag_id, others', [(name, {name, other}) for name, other in ACROSS])
def test_who_may_edit_all_of_them_still_clears_across_dags(dags, way, dag_id, others):
    needs(dags, dag_id)

    clear(way, 'admin', dag_id)

    assert others <= set(cleared())


@pytest.mark.parametrize('way', WAYS)
def test_who_may_edit_both_dags_by_name_still_clears_across_them(dags, way):
    needs(dags, 'points_to_own')

    clear(way, 'owner', 'points_to_own')

    assert cleared() == ['own', 'points_to_own']


@pytest.mark.parametrize('way', WAYS)
def test_who_may_edit_a_dag_still_clears_it_with_its_subdags(way):
    clear(way, 'parent', 'family')

    assert cleared() == ['family', 'family.child']


@pytest.mark.parametrize('way', WAYS)
def test_what_would_be_cleared_is_still_shown_to_who_may(way):
    response = clear(way, 'parent', 'family', confirmed=False)

    assert response.status_code == 200 and 'family.child' in response.get_data(as_text=True)
    assert cleared() == []


@pytest.mark.parametrize('way', WAYS)
def test_a_dag_that_is_linked_with_none_is_still_cleared(way):
    clear(way, 'owner', 'own')

    assert cleared() == ['own']
