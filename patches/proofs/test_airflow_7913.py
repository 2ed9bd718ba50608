"""apache/airflow#7913: the Gantt page is shown though a failed try has no start date."""
import datetime

import gantt
import pytest
import ui

NOON = gantt.RUN + datetime.timedelta(hours=12)


def dag_of():
    from airflow import DAG
    from airflow.operators.dummy_operator import DummyOperator

    dag = DAG('failing', start_date=gantt.RUN, schedule_interval=None)
    DummyOperator(task_id='task', dag=dag)
    return dag


@pytest.mark.parametrize('interface', ui.UIS)
@pytest.mark.parametrize('start', [None, gantt.RUN])
def test_the_page_is_shown(interface, start, monkeypatch):
    # An error is a page, as from a webserver
    monkeypatch.setitem(ui.app_of(interface).config, 'PROPAGATE_EXCEPTIONS', False)
    rows = {'task': {'state': 'failed', 'start_date': gantt.RUN, 'end_date': NOON}}
    page = gantt.page(interface, dag_of(), rows, {'task': {'start_date': start, 'end_date': NOON}})
    assert page.status_code == 200, 'the page is an error'
    drawn = gantt.tasks(page)
    assert len(drawn) == 2
    assert drawn[1]['isoStart'].startswith('2021-06-02T12:00' if start is None else '2021-06-02T00:00')
