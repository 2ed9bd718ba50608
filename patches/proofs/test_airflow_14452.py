"""apache/airflow#14452: the scheduler goes on when a run that ends has no date of its start or end."""
import pytest
import scheduling


def looked_at(**dates):
    """What is said of a run with these dates as the scheduler looks at it, whose tasks have all ended."""
    from airflow.models import DAG, DagRun
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.utils import timezone

    dag = DAG('own', start_date=timezone.datetime(2021, 6, 1), schedule_interval=None)
    DummyOperator(task_id='task', dag=dag)
    dag.sync_to_db()
    scheduling.run_of(dag, state='success')
    with scheduling.session() as session:
        run = session.query(DagRun).filter(DagRun.dag_id == 'own').one()
        run.dag = dag
        for name, value in dates.items():
            setattr(run, name, value)
        try:
            run.update_state(session=session)
        except Exception as error:  # pylint: disable=broad-except
            return error
        return run.state


@pytest.mark.parametrize('dates', [{'start_date': None}, {}], ids=['no start', 'both'])
def test_a_run_ends(dates):
    assert looked_at(**dates) == 'success', 'the scheduler ends'
