"""apache/airflow#8775: a task knows what is upstream of it, also where it is read from the database."""
import json

import pytest


@pytest.fixture(name='dag', scope='module')
def fixture_dag():
    """The DAG first >> second >> third, as the webserver reads it."""
    from airflow.models import DAG
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.serialization.serialized_objects import SerializedDAG
    from airflow.utils import timezone

    with DAG('own', start_date=timezone.datetime(2021, 6, 1)) as dag:
        first, second, third = (DummyOperator(task_id=name) for name in ('first', 'second', 'third'))
    first >> second >> third
    return SerializedDAG.from_dict(json.loads(json.dumps(SerializedDAG.to_dict(dag))))


@pytest.mark.parametrize('task_id, before', [('first', set()), ('second', {'first'}), ('third', {'second'})])
def test_a_task_knows_the_tasks_before_it(dag, task_id, before):
    assert dag.get_task(task_id).upstream_task_ids == before, 'the page shows wrong tasks before it'


def test_a_part_of_a_dag_has_the_tasks_before(dag):
    assert sorted(dag.sub_dag('third', include_downstream=False, include_upstream=True).task_ids) == ['first', 'second', 'third']


@pytest.mark.parametrize('task_id, after', [('first', {'second'}), ('third', set())])
def test_a_task_knows_the_tasks_after_it(dag, task_id, after):
    assert dag.get_task(task_id).downstream_task_ids == after
