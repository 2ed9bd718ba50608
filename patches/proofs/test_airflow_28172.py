"""apache/airflow#28172: a task waits for its next try however often its delay was doubled, and nobody ends over that."""
import datetime

import pytest

START = datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc)
MINUTE = datetime.timedelta(minutes=1)


def waiting(tries, **options):
    """A task that has failed so often."""
    from airflow.models import DAG, TaskInstance
    from airflow.operators.bash_operator import BashOperator

    dag = DAG('own', start_date=START, schedule_interval=None)
    options = dict({'retry_delay': MINUTE, 'retry_exponential_backoff': True}, **options)
    task = BashOperator(task_id='task', bash_command='true', dag=dag, retries=tries + 1, **options)
    ti = TaskInstance(task, START)
    ti.end_date, ti.state, ti.try_number = START, 'up_for_retry', tries
    return ti


def asked(ti):
    """Whether the task may be tried again, as the scheduler asks; what ends the scheduler, if that does."""
    from airflow.ti_deps.dep_context import DepContext
    from airflow.ti_deps.deps.not_in_retry_period_dep import NotInRetryPeriodDep

    try:
        return all(status.passed for status in NotInRetryPeriodDep().get_dep_statuses(ti, None, DepContext()))
    except ArithmeticError as error:
        return error


@pytest.mark.parametrize('tries', [33, 60, 2000])
def test_a_task_waits_although_there_is_no_such_date(tries):
    assert asked(waiting(tries)) is False, 'the scheduler ends'


def test_a_task_waits_no_longer_than_it_is_to_after_two_thousand_tries():
    ti = waiting(2000, max_retry_delay=MINUTE)
    assert asked(ti) is True, 'the scheduler ends'
    assert ti.next_retry_datetime() == START + MINUTE


@pytest.mark.parametrize('tries', [0, 3, 2000])
def test_a_task_without_delay_is_tried_again_at_once(tries):
    ti = waiting(tries, retry_delay=datetime.timedelta(0))
    assert asked(ti) is True, 'the scheduler ends'
    assert ti.next_retry_datetime() == START


@pytest.mark.parametrize('tries, least', [(0, MINUTE / 2), (1, MINUTE), (4, 8 * MINUTE), (20, 2 ** 19 * MINUTE)])
def test_delays_are_doubled_as_ever(tries, least):
    delay = waiting(tries).next_retry_datetime() - START
    assert least <= delay < 2 * least


def test_a_delay_that_is_not_doubled_is_as_it_was():
    assert waiting(2000, retry_exponential_backoff=False).next_retry_datetime() == START + MINUTE
