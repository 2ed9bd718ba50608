"""apache/airflow#17961: clearing tasks with the API resets the runs in which a task is cleared, and no others."""
import datetime

import people
import pytest
import ui

RUN_ID = 'manual__that failed'


@pytest.fixture(name='failed', autouse=True)
def fixture_failed():
    """The date of a run that failed, among others of its DAG that ended well."""
    from airflow.models import TaskInstance

    ui.reset_runs()
    date = ui.RUN_DATE + datetime.timedelta(days=1)
    ui._dag('own').create_dagrun(run_id=RUN_ID, execution_date=date, state='failed', external_trigger=True)
    with ui._session() as session:
        for task in session.query(TaskInstance).filter(TaskInstance.execution_date == date):
            task.state = 'failed'
    return date


def cleared(**body):
    """Clears tasks of the DAG that have failed; the runs whose tasks the answer names."""
    body = dict({'dry_run': False, 'only_failed': True, 'reset_dag_runs': True}, **body)
    answer = people.api('admin', 'POST', '/dags/own/clearTaskInstances', json=body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return [task['dag_run_id'] for task in answer.json['task_instances']]


def states():
    """The states of the runs of the DAG, the earliest first."""
    from airflow.models import DagRun

    with ui._session() as session:
        runs = session.query(DagRun).filter(DagRun.dag_id == 'own').order_by(DagRun.execution_date)
        return [run.state for run in runs]


@pytest.mark.parametrize('dates', [{}, {'start_date': ui.RUN_DATE.isoformat()}], ids=['ever', 'since'])
def test_a_run_of_which_nothing_is_cleared_stays_as_it_is(dates):
    cleared(**dates)
    assert states() == ['success', 'running']


def test_all_are_reset_of_which_something_is_cleared():
    cleared(only_failed=False)
    assert states() == ['running', 'running']


def test_a_run_that_is_reset_begins_anew(failed):
    from airflow.models import DagRun

    before = datetime.datetime.now(datetime.timezone.utc)
    with ui._session() as session:
        session.query(DagRun).filter(DagRun.execution_date == failed).one().start_date = ui.RUN_DATE
    cleared()
    with ui._session() as session:
        assert session.query(DagRun).filter(DagRun.execution_date == failed).one().start_date >= before


@pytest.mark.parametrize('body', [{'reset_dag_runs': False}, {'dry_run': True}], ids=['not asked for', 'dry run'])
def test_none_is_reset_where_that_is_not_asked_for(body):
    cleared(**body)
    assert states() == ['success', 'failed']


def test_the_answer_names_what_was_cleared():
    assert cleared() == [RUN_ID]
