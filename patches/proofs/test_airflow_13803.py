"""apache/airflow#13803: no more runs of a DAG go on than max_active_runs says."""
import datetime

import pytest
import scheduling


@pytest.mark.parametrize('limit', [1, 2, 16])
def test_tasks_are_scheduled_of_no_more_runs_than_may_be_active(limit):
    from airflow.jobs import SchedulerJob
    from airflow.models import DAG, DagRun, TaskInstance
    from airflow.operators.bash_operator import BashOperator

    with scheduling.session() as opened:
        for model in (TaskInstance, DagRun):
            opened.query(model).delete()
    dag = DAG('own', start_date=scheduling.DAY, schedule_interval=None, max_active_runs=limit)
    BashOperator(task_id='task', bash_command='true', dag=dag)
    dag.sync_to_db()
    for number in range(3):
        day = scheduling.DAY + datetime.timedelta(days=number)
        dag.create_dagrun(run_id='manual__{}'.format(number), execution_date=day, state='running', external_trigger=True)

    keys = []
    SchedulerJob()._process_task_instances(dag, keys)

    assert len(keys) == min(limit, 3), 'more runs go on than may'
