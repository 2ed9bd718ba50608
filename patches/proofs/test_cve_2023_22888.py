"""CVE-2023-22888: nobody ends the scheduler by the id of a run that he triggers."""
import base64
import datetime
import inspect
import os

import pytest
import ui

DAY = datetime.timedelta(days=1)
# Runs are created for the days from here on.
FIRST = datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc)
DAG_FILE = '''
from datetime import datetime
from airflow import DAG
from airflow.operators.dummy import DummyOperator

for dag_id in ('attacked', 'innocent'):
    with DAG(dag_id, start_date=datetime(2021, 6, 1), end_date=datetime(2021, 6, 3), schedule_interval='@daily', catchup=True, is_paused_upon_creation=False) as dag:
        DummyOperator(task_id='task')
    globals()[dag_id] = dag
'''


def run_id_of(date):
    from airflow.models import DagRun
    from airflow.utils.types import DagRunType

    return DagRun.generate_run_id(DagRunType.SCHEDULED, date)


def post(path, data, username='admin'):
    token = base64.b64encode('{}:{}'.format(username, ui.PASSWORD).encode()).decode()
    return ui.app_of(ui.RBAC).test_client().post(path, json=data, headers={'Authorization': 'Basic ' + token})


def trigger(run_id, dag_id='own', days=0):
    date = (ui.RUN_DATE + datetime.timedelta(days=days)).isoformat()
    return post('/api/v1/dags/{}/dagRuns'.format(dag_id), {'dag_run_id': run_id, 'execution_date': date})


@pytest.fixture(name='scheduled', scope='module')
def fixture_scheduled():
    """The error that would end the scheduler, and the runs that it made; the first run_id of one DAG was taken before."""
    from airflow.jobs.scheduler_job import SchedulerJob
    from airflow.models import DagBag, DagModel, DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType

    ui.app_of(ui.RBAC)
    folder = os.path.join(os.environ['AIRFLOW_HOME'], 'scheduled')
    os.makedirs(folder)
    with open(os.path.join(folder, 'scheduled.py'), 'w') as file:
        file.write(DAG_FILE)
    bag = DagBag(folder, include_examples=False)
    assert not bag.import_errors
    bag.sync_to_db()
    with create_session() as session:
        # As it was stored when nothing was refused, and as commands still store it.
        session.add(
            DagRun(
                dag_id='attacked',
                run_id=run_id_of(FIRST),
                execution_date=FIRST - 300 * DAY,
                state='success',
                run_type=DagRunType.MANUAL,
            )
        )
    job, error = SchedulerJob(num_runs=1), None
    job.dagbag = DagBag(read_dags_from_db=True)
    try:
        # What each round of the scheduler does first; nothing catches what it raises.
        for _ in range(2):
            with create_session() as session:
                job._create_dag_runs(DagModel.dags_needing_dagruns(session).all(), session)
    except Exception as raised:  # pylint: disable=broad-except
        error = raised
    with create_session() as session:
        runs = {dag_id: [] for dag_id in ('attacked', 'innocent')}
        for run in session.query(DagRun).filter(DagRun.dag_id.in_(list(runs))):
            runs[run.dag_id].append(run.run_id)
    return error, runs


def test_a_run_id_that_is_taken_does_not_end_the_scheduler(scheduled):
    assert scheduled[0] is None, 'the scheduler ended as a run_id was taken'


def test_other_dags_and_other_days_get_their_runs(scheduled):
    runs = scheduled[1]

    assert run_id_of(FIRST) in runs['innocent'], 'a DAG got no run, as the run_id of another was taken'
    assert run_id_of(FIRST + DAY) in runs['attacked'], 'a DAG got no run for the days after'
    assert runs['attacked'].count(run_id_of(FIRST)) == 1


@pytest.mark.parametrize('run_id', [run_id_of(FIRST), 'scheduled__anything', 'backfill__2021-06-01T00:00:00+00:00', 'SCHEDULED__2021-06-01T00:00:00+00:00'])
def test_nobody_may_give_a_run_such_an_id(run_id):
    response = trigger(run_id)

    assert response.status_code == 400, 'a run was triggered with an id that the scheduler makes'


def test_nor_by_the_experimental_api(monkeypatch):
    monkeypatch.setenv('AIRFLOW__API__ENABLE_EXPERIMENTAL_API', 'True')
    from flask import Flask

    from airflow.www.api.experimental import endpoints

    monkeypatch.setattr(endpoints, 'requires_authentication', lambda function: function)
    app = Flask('experimental')
    with app.test_request_context('/', method='POST', json={'run_id': 'scheduled__by the experimental API'}):
        try:
            # Without what asks for a name, and for rights
            response = inspect.unwrap(endpoints.trigger_dag)('own')
        except Exception as error:  # pylint: disable=broad-except
            response = error

    assert getattr(response, 'status_code', None) == 400, 'a run was triggered with an id that the scheduler makes'


@pytest.mark.parametrize('number, run_id', enumerate(['mine', 'manual__2021-06-01', 'not scheduled__', 'größer', 'scheduled_once']))
def test_other_ids_are_still_accepted(number, run_id):
    assert trigger(run_id, days=number + 1).status_code == 200


def test_a_run_without_an_id_still_gets_one():
    response = post('/api/v1/dags/own/dagRuns', {})

    assert response.status_code == 200
    assert response.json['dag_run_id'].startswith('manual__')


def test_a_task_that_triggers_another_dag_may_still_pass_its_own_id():
    """The run_id of a run that was scheduled, for a DAG that is triggered with the same date."""
    from airflow.api.common.experimental.trigger_dag import trigger_dag

    date = FIRST + 9 * DAY
    assert trigger_dag('own', run_id=run_id_of(date), execution_date=date).run_id == run_id_of(date)
