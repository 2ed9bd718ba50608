"""apache/airflow#13165: a run of which only removed tasks are left does not keep others from going on."""
import datetime

import pytest
import scheduling


@pytest.mark.parametrize('state, after', [('removed', 'success'), ('running', None)])
def test_a_run_goes_on_beside_one_that_has_only_such_tasks(state, after):
    from airflow.models import DagRun, TaskInstance
    from airflow.utils.session import create_session

    dag = scheduling.stored('own', tasks=['task', 'gone'], max_active_runs=1)
    scheduling.run_of(dag, state='success')
    dag.create_dagrun(
        run_id='manual__2', execution_date=scheduling.DAY + datetime.timedelta(days=1), state='running', external_trigger=True
    )
    with create_session() as session:
        first = session.query(TaskInstance).filter_by(dag_id='own', task_id='gone', execution_date=scheduling.DAY)
        first.update({'state': state})
        runs = session.query(DagRun).filter(DagRun.dag_id == 'own')
        assert runs.count() == 2

    scheduling.looped(scheduling.scheduler())

    with create_session() as session:
        later = session.query(TaskInstance).filter_by(dag_id='own', task_id='task').order_by(TaskInstance.execution_date)
        assert later.all()[-1].state == after, 'the run waits for a task that is not there'
