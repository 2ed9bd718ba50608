"""apache/airflow#10924: a task that is read from the database has its operator, and clearing follows what depends on it."""
import datetime
import json
import types

import pytest
import scheduling

START = datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture(name='dag')
def fixture_dag():
    """A DAG with a marker, as the webserver has it, and the DAG that the marker names, each with a run that has ended."""
    from airflow.models import DAG, DagRun, TaskInstance
    from airflow.operators.bash_operator import BashOperator
    from airflow.sensors.external_task_sensor import ExternalTaskMarker
    from airflow.serialization.serialized_objects import SerializedDAG

    with scheduling.session() as session:
        for model in (DagRun, TaskInstance):
            session.query(model).delete()
    own, other = [DAG(name, start_date=START, schedule_interval=None) for name in ('own', 'other')]
    ExternalTaskMarker(task_id='marker', external_dag_id='other', external_task_id='task', recursion_depth=3, dag=own)
    BashOperator(task_id='bash', bash_command='true', dag=own)
    BashOperator(task_id='task', bash_command='true', dag=other)
    read = [SerializedDAG.from_dict(json.loads(json.dumps(SerializedDAG.to_dict(dag)))) for dag in (own, other)]
    for dag in read:
        dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='success', external_trigger=True)
        scheduling.change(dag.dag_id, state='success')
    read[0].others = types.SimpleNamespace(get_dag=lambda dag_id: read[1])
    return read[0]


@pytest.mark.parametrize('task_id, operator', [('marker', 'ExternalTaskMarker'), ('bash', 'BashOperator')])
def test_a_task_has_its_operator(dag, task_id, operator):
    assert scheduling.task_of('own', task_id).operator == operator


def test_what_depends_on_a_marker_is_cleared(dag):
    dag.clear(start_date=scheduling.DAY, end_date=scheduling.DAY, dag_bag=dag.others)
    assert scheduling.task_of('own', 'marker').state is None
    assert scheduling.task_of('other').state is None, 'what depends on it stays as it was'


def test_only_what_is_asked_for_is_cleared(dag):
    part = dag.sub_dag(task_regex='^bash$', include_upstream=False, include_downstream=False)
    part.clear(start_date=scheduling.DAY, end_date=scheduling.DAY, dag_bag=dag.others)
    assert scheduling.task_of('own', 'bash').state is None
    assert scheduling.task_of('other').state == 'success'
