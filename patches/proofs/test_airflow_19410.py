"""apache/airflow#19410: the link of a task that triggers a DAG leads to the run that it has triggered."""
import datetime
import json
from urllib.parse import parse_qs, urlparse

import pytest
import scheduling
import ui

TOLD = datetime.datetime(2021, 5, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture(name='dag', params=['no date', 'a date', 'a template'])
def fixture_dag(request):
    """A DAG with a task that triggers `other`, and tells it a date or not; the task has not run."""
    from airflow.models import DAG, DagRun, TaskInstance, XCom
    from airflow.operators.trigger_dagrun import TriggerDagRunOperator

    with scheduling.session() as session:
        for model in (DagRun, TaskInstance, XCom):
            session.query(model).delete()
    scheduling.stored('other')
    start = datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc)
    dag = DAG('own', start_date=start, schedule_interval=None)
    date = {'no date': None, 'a date': TOLD, 'a template': '{{ execution_date }}'}[request.param]
    TriggerDagRunOperator(task_id='task', trigger_dag_id='other', execution_date=date, dag=dag)
    dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True)
    return dag


def ran(dag):
    """The run of `other` after the task has run."""
    from airflow.models import DagRun, TaskInstance

    TaskInstance(dag.get_task('task'), scheduling.DAY).run(ignore_all_deps=True)
    with scheduling.session() as session:
        return session.query(DagRun.execution_date).filter_by(dag_id='other').one()[0]


def link(dag):
    """Where the webserver says that the button of the task leads; it knows the DAG from the database."""
    from airflow.serialization.serialized_objects import SerializedDAG

    stored = SerializedDAG.from_dict(json.loads(json.dumps(SerializedDAG.to_dict(dag))))
    with ui.app_of('www').test_request_context():
        url = stored.get_task('task').get_extra_links(scheduling.DAY, 'Triggered DAG')
    return {name: values[0] for name, values in parse_qs(urlparse(url).query).items()}


def test_it_leads_to_the_run(dag):
    date = ran(dag)
    assert link(dag) == {'dag_id': 'other', 'execution_date': date.isoformat()}, 'the page does not show the run'


def test_it_leads_to_the_dag_as_long_as_there_is_no_run(dag):
    assert link(dag)['dag_id'] == 'other'


def test_an_operator_may_be_run_by_hand(dag):
    dag.get_task('task').execution_date = TOLD
    assert dag.get_task('task').execute({}) is None
