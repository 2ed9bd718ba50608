"""apache/airflow#13963: a scheduled run is made although somebody has triggered one of a later date."""
import datetime

import pytest
import scheduling

FIRST = datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc)


def next_run(run_type):
    """The date of the next scheduled run of a daily DAG, after one of that kind."""
    from airflow.models import DagModel, DagRun
    from airflow.utils.session import create_session

    dag = scheduling.stored('own', schedule_interval='@daily')
    with create_session() as session:
        session.query(DagRun).filter(DagRun.dag_id == 'own').delete()
    dag.create_dagrun(
        run_type=run_type, execution_date=FIRST + datetime.timedelta(days=9), state='success',
        external_trigger=run_type.value == 'manual',
    )  # fmt: skip
    dag.sync_to_db()
    with create_session() as session:
        return session.query(DagModel.next_dagrun).filter(DagModel.dag_id == 'own').scalar()


@pytest.mark.parametrize('kind, days', [('manual', 0), ('scheduled', 10)])
def test_the_next_run_is_that_of_the_schedule(kind, days):
    from airflow.utils.types import DagRunType

    assert next_run(DagRunType(kind)) == FIRST + datetime.timedelta(days=days), 'scheduled runs are left out'
