"""apache/airflow#12419: the Gantt page draws a run whose tasks have not all ended."""
import datetime

import gantt
import pytest
import ui

NOON = gantt.RUN + datetime.timedelta(hours=12)


def drawn(rows, fails=()):
    from airflow import DAG
    from airflow.operators.dummy_operator import DummyOperator

    dag = DAG('running', start_date=gantt.RUN, schedule_interval=None)
    for task_id in ('ended', 'runs'):
        DummyOperator(task_id=task_id, dag=dag)
    page = gantt.page(ui.RBAC, dag, rows, fails)
    assert page.status_code == 200
    return {(bar['task_id'], bar['state']): bar for bar in gantt.tasks(page)}


ENDED = {'state': 'success', 'start_date': gantt.RUN, 'end_date': NOON}
RUNS = {'state': 'running', 'start_date': NOON}


def test_a_bar_of_a_task_that_has_not_ended_has_an_end():
    bars = drawn({'ended': ENDED, 'runs': RUNS})
    assert bars['runs', 'running']['end_date'], 'no bar has an end, and nothing is drawn'
    assert bars['runs', 'running']['end_date'] > bars['runs', 'running']['start_date']
    assert bars['ended', 'success']['end_date'].startswith('2021-06-02T12:00')


@pytest.mark.parametrize('start', [None, gantt.RUN])
def test_a_bar_of_a_failed_try_has_start_and_end(start):
    bars = drawn({'runs': RUNS}, {'runs': {'start_date': start, 'end_date': NOON}})
    assert bars['runs', 'failed']['start_date'], 'a bar has no start, and nothing is drawn'
    assert bars['runs', 'failed']['end_date'].startswith('2021-06-02T12:00')
