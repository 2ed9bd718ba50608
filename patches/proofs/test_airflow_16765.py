"""apache/airflow#16765: a priority_weight that is no number does not end the scheduler."""
import pytest
import scheduling

FILE = '''
from datetime import datetime
from airflow import DAG
from airflow.operators.dummy_operator import DummyOperator
with DAG('heavy', start_date=datetime(2021, 6, 1), schedule_interval=None) as dag:
    DummyOperator(task_id='task', priority_weight={weight!r})
'''


@pytest.fixture(name='none', autouse=True)
def fixture_none():
    """No run is there."""
    from airflow.models import DagRun, TaskInstance

    with scheduling.session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).delete()


def weights(dag_id):
    """The weights of the tasks of the runs of a DAG."""
    from airflow.models import TaskInstance

    with scheduling.session() as session:
        found = session.query(TaskInstance).filter(TaskInstance.dag_id == dag_id)
        return {ti.task_id: ti.priority_weight for ti in found}


@pytest.mark.parametrize('weight', ['5', 5])
@pytest.mark.parametrize('rule, total', [('downstream', 10), ('upstream', 5), ('absolute', 5)])
def test_the_scheduler_makes_runs_and_orders_tasks(weight, rule, total):
    dag = scheduling.stored(
        'own', ('first', 'second'), priority_weight=weight, weight_rule=rule, schedule_interval='@daily'
    )
    dag.get_task('first') >> dag.get_task('second')
    dag.sync_to_db()
    from airflow.models.serialized_dag import SerializedDagModel

    SerializedDagModel.remove_dag('own')
    SerializedDagModel.write_dag(dag)

    said = scheduling.looped(scheduling.scheduler())

    assert not isinstance(said, Exception), 'the scheduler ends: %r' % said
    assert weights('own')['first'] == total


@pytest.mark.parametrize('weight, total', [('7', 14), ('high', 2), (None, 2)])
def test_a_weight_that_is_stored_already_does_not_end_it_either(weight, total):
    import json

    from airflow.models.serialized_dag import SerializedDagModel

    dag = scheduling.stored('own', ('first', 'second'), schedule_interval='@daily')
    dag.get_task('first') >> dag.get_task('second')
    dag.sync_to_db()
    SerializedDagModel.remove_dag('own')
    SerializedDagModel.write_dag(dag)
    with scheduling.session() as session:
        row = session.query(SerializedDagModel).filter(SerializedDagModel.dag_id == 'own').one()
        data = json.loads(json.dumps(row.data))
        for task in data['dag']['tasks']:
            task['priority_weight'] = weight
        row.data = data

    said = scheduling.looped(scheduling.scheduler())

    assert not isinstance(said, Exception), 'the scheduler ends: %r' % said
    assert weights('own')['first'] == total


@pytest.mark.parametrize('weight', ['high', None, [1]])
def test_what_says_no_number_is_a_fault_of_its_file(tmp_path, weight):
    from airflow.models import DagBag

    (tmp_path / 'heavy.py').write_text(FILE.format(weight=weight))
    (tmp_path / 'light.py').write_text(FILE.replace('heavy', 'light').format(weight='1'))
    bag = DagBag(str(tmp_path), include_examples=False)
    assert set(bag.dags) == {'light'}
    [error] = bag.import_errors.values()
    assert 'priority_weight' in error
    assert 'task' in error
    assert repr(weight) in error


@pytest.mark.parametrize('weight', [0, -3, 2.5, True])
def test_numbers_stay_as_they_are(weight):
    from airflow.operators.dummy_operator import DummyOperator

    assert DummyOperator(task_id='task', priority_weight=weight).priority_weight is weight
