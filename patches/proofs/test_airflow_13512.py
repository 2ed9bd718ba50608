"""apache/airflow#13512: max_tis_per_query = 0 sets no limit."""
import pytest
import scheduling


@pytest.mark.parametrize('limit, queued', [(0, 3), (2, 2), (9, 3)])
def test_as_many_tasks_are_queued_as_the_limit_allows(limit, queued):
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session

    scheduling.run_of(scheduling.stored('own', tasks=['task', 'second', 'third']), state='scheduled', pool='default_pool')
    job = scheduling.scheduler()
    job.max_tis_per_query = limit

    scheduling.looped(job)

    with create_session() as session:
        found = session.query(TaskInstance).filter_by(dag_id='own', state='queued').count()
    assert found == queued, 'no task is ever queued'
