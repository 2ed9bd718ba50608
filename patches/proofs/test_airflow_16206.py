"""apache/airflow#16206: a DAG without catchup is shown with its own start date."""
import os

import pytest
import ui

CODE = '''
from datetime import datetime
from airflow import DAG
from airflow.operators.dummy_operator import DummyOperator

dag = DAG('{dag_id}', start_date=datetime(2021, 6, 1), schedule_interval='@daily', catchup={catchup})
DummyOperator(task_id='task', dag=dag)
'''


@pytest.mark.parametrize('catchup', [False, True])
def test_the_page_shows_the_start_date_of_the_file(catchup):
    from airflow.models import DagBag, DagModel

    dag_id = 'shown_{}'.format(catchup)
    ui.app_of(ui.RBAC)
    path = os.path.join(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], dag_id + '.py')
    with open(path, 'w') as file:
        file.write(CODE.format(dag_id=dag_id, catchup=catchup))
    DagBag(path, include_examples=False).sync_to_db()

    page = ui.client_of(ui.RBAC).get('/dag_details', query_string={'dag_id': dag_id})
    assert page.status_code == 200
    assert '2021-06-01' in page.get_data(as_text=True), 'the page shows another start date'
    with ui._session() as session:
        following = session.query(DagModel).filter(DagModel.dag_id == dag_id).one().next_dagrun
    assert (following.year > 2021) != catchup
