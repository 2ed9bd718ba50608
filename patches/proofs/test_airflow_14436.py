"""apache/airflow#14436: a task with a longest delay before retries is retried, also where it is read from the database."""
import datetime
import json

LONGEST = datetime.timedelta(minutes=5)
START = datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc)


def from_database():
    """The task as scheduler and webserver know it."""
    from airflow.models import DAG
    from airflow.operators.bash_operator import BashOperator
    from airflow.serialization.serialized_objects import SerializedDAG

    dag = DAG('own', start_date=START, schedule_interval=None)
    retries = {'retries': 9, 'retry_exponential_backoff': True, 'retry_delay': LONGEST / 5, 'max_retry_delay': LONGEST}
    BashOperator(task_id='task', bash_command='true', dag=dag, **retries)
    return SerializedDAG.from_dict(json.loads(json.dumps(SerializedDAG.to_dict(dag)))).get_task('task')


def retried_after(tries):
    """How long after its end the task begins again, or why that cannot be said."""
    from airflow.models import TaskInstance

    ti = TaskInstance(from_database(), START)
    ti.end_date, ti.state, ti.try_number = START, 'up_for_retry', tries
    try:
        return ti.next_retry_datetime() - START
    except TypeError as error:
        return error


def test_the_longest_delay_is_a_duration():
    assert from_database().max_retry_delay == LONGEST


def test_a_retry_waits_no_longer():
    assert retried_after(9) == LONGEST, 'nobody can say when it is retried, and the scheduler ends'


def test_a_first_retry_waits_less():
    delay = retried_after(0)
    assert isinstance(delay, datetime.timedelta), 'nobody can say when it is retried'
    assert delay < LONGEST
