"""apache/airflow#11343: the page of a task instance is shown though there is no run for it."""
import pytest
import ui


@pytest.fixture(autouse=True)
def fixture_applications(monkeypatch):
    for name in ui.UIS:
        # An error is a page, as from a webserver
        monkeypatch.setitem(ui.app_of(name).config, 'PROPAGATE_EXCEPTIONS', False)
    ui.reset_runs(state='success')


def page_of_task(interface):
    values = {'dag_id': 'own', 'task_id': 'task', 'execution_date': ui.RUN_DATE.isoformat()}
    return ui.client_of(interface).get(ui.url_of(interface, 'task'), query_string=values)


@pytest.mark.parametrize('interface', ui.UIS)
@pytest.mark.parametrize('state', ['success', None])
def test_a_task_instance_without_run_is_shown(interface, state):
    from airflow.models import DagRun, TaskInstance

    with ui._session() as session:
        session.query(DagRun).delete()
        session.query(TaskInstance).update({'state': state})
    page = page_of_task(interface)
    assert page.status_code == 200, 'the page of the task instance is an error'
    assert 'Task Instance Attributes' in page.get_data(as_text=True)


@pytest.mark.parametrize('interface', ui.UIS)
def test_a_task_instance_with_a_run_is_shown(interface):
    assert page_of_task(interface).status_code == 200


@pytest.mark.parametrize('run_id, passed', [('manual__1', True), ('backfill_1', False), (None, True)])
def test_a_task_of_a_backfill_is_told_from_others(run_id, passed):
    from airflow.models import DagRun, TaskInstance
    from airflow.ti_deps.deps.dagrun_id_dep import DagrunIdDep

    with ui._session() as session:
        session.query(DagRun).filter(DagRun.dag_id == 'own').update({'run_id': run_id})
    instance = TaskInstance(ui._dag('own').get_task('task'), ui.RUN_DATE)
    assert DagrunIdDep().is_met(instance) == passed
