"""apache/airflow#26801: nothing warns of a task that uses the result of another."""
import logging

import pytest
import scheduling


@pytest.fixture(name='warned')
def fixture_warned():
    """What is warned of."""
    records = []

    class Handler(logging.Handler):
        def emit(self, record):
            records.append(record.getMessage())

    handler = Handler(level=logging.WARNING)
    logger = logging.getLogger('airflow.task.operators')
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def tasks():
    from airflow.models import DAG
    from airflow.models.baseoperator import BaseOperator
    from airflow.operators.python import PythonOperator

    class Own(BaseOperator):
        template_fields = ('text',)

        def __init__(self, text, **kwargs):
            super().__init__(**kwargs)
            self.text = text

    class More(Own):
        template_fields = ('text', 'more')

        def __init__(self, more=None, **kwargs):
            super().__init__(**kwargs)
            self.more = more

    dag = DAG('own', start_date=scheduling.DAY, schedule_interval=None)
    first = PythonOperator(task_id='first', python_callable=print, dag=dag)
    other = PythonOperator(task_id='other', python_callable=print, dag=dag)
    return first, other, More(task_id='last', text=first.output, more=[other.output], dag=dag)


def test_nothing_warns_of_a_result_that_is_used(warned):
    first, other, last = tasks()
    assert warned == [], 'a dependency is said to be there already that nobody has set'
    assert last.upstream_task_ids == {'first', 'other'}
    assert first.downstream_task_ids == {'last'} and other.downstream_task_ids == {'last'}


def test_a_dependency_that_is_set_twice_is_warned_of(warned):
    first, other, _last = tasks()
    warned.clear()
    first >> other
    first >> other
    assert len(warned) == 2 and all('already registered' in text for text in warned)
