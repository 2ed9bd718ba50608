"""apache/airflow#13700: a part of a DAG knows no ids of tasks that it does not have."""
import datetime

import pytest


@pytest.fixture(name='part')
def fixture_part():
    """The part of a DAG with `first` and `second` that has `first` only."""
    from airflow.models import DAG
    from airflow.operators.dummy import DummyOperator

    with DAG('own', start_date=datetime.datetime(2021, 6, 1)) as dag:
        for task_id in ('first', 'second'):
            DummyOperator(task_id=task_id)
    return dag.partial_subset('first', include_upstream=False)


def added(part, task_id):
    """What is said of a task that is added to the part."""
    from airflow.exceptions import DuplicateTaskIdFound
    from airflow.operators.dummy import DummyOperator

    try:
        part.add_task(DummyOperator(task_id=task_id))
    except DuplicateTaskIdFound as error:
        return error
    return sorted(part.task_ids)


def test_a_task_can_be_added_under_an_id_that_is_free(part):
    assert added(part, 'second') == ['first', 'second'], 'the id is said to be taken'


def test_an_id_that_is_taken_is_refused(part):
    assert isinstance(added(part, 'first'), Exception)
