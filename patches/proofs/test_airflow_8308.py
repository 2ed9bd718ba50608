"""apache/airflow#8308: a bar of the Gantt page has the links and the type of its own task."""
import datetime

import gantt
import pytest
import ui


def dag_of():
    from airflow import DAG
    from airflow.models.baseoperator import BaseOperatorLink
    from airflow.operators.bash_operator import BashOperator
    from airflow.operators.dummy_operator import DummyOperator

    class Link(BaseOperatorLink):
        name = 'Elsewhere'

        def get_link(self, operator, dttm):
            return 'http://elsewhere.invalid'

    class Linked(BashOperator):
        operator_extra_links = (Link(),)

    dag = DAG('linked', start_date=gantt.RUN, schedule_interval=None)
    DummyOperator(task_id='plain', dag=dag)
    Linked(task_id='linked', bash_command='true', dag=dag)
    return dag


@pytest.mark.parametrize('first, last', [('plain', 'linked'), ('linked', 'plain')])
def test_each_bar_is_of_its_task(first, last):
    hour = datetime.timedelta(hours=1)
    rows = {
        first: {'state': 'success', 'start_date': gantt.RUN, 'end_date': gantt.RUN + hour},
        last: {'state': 'success', 'start_date': gantt.RUN + hour, 'end_date': gantt.RUN + 2 * hour},
    }
    page = gantt.page(ui.RBAC, dag_of(), rows)
    assert page.status_code == 200
    drawn = {bar['taskName']: bar for bar in gantt.tasks(page)}
    assert drawn['linked']['extraLinks'] == ['Elsewhere'], 'a task has not its own links'
    assert drawn['plain']['extraLinks'] == [], 'a task has links of another'
    assert (drawn['linked']['taskType'], drawn['plain']['taskType']) == ('Linked', 'DummyOperator')
