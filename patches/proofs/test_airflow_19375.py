"""apache/airflow#19375: a scheduler marks schedulers that have ended as failed, and no other jobs."""
import pytest
import scheduling


@pytest.fixture(autouse=True)
def fixture_no_jobs():
    from airflow import settings
    from airflow.jobs.base_job import BaseJob

    settings.engine.execute(BaseJob.__table__.delete())


def states():
    from airflow import settings
    from airflow.jobs.base_job import BaseJob

    return {row.job_type: row.state for row in settings.engine.execute(BaseJob.__table__.select())}


def test_only_schedulers_are_marked_as_failed():
    for kind in ('LocalTaskJob', 'BackfillJob', 'SchedulerJob'):
        scheduling.job(kind, age=3600)

    scheduling.scheduler().adopt_or_reset_orphaned_tasks()

    assert states()['LocalTaskJob'] == 'running', 'its task is taken for a zombie, and ended'
    assert states() == {'LocalTaskJob': 'running', 'BackfillJob': 'running', 'SchedulerJob': 'failed'}


def test_a_scheduler_that_is_alive_is_left_alone():
    scheduling.job('SchedulerJob', age=0)
    scheduling.scheduler().adopt_or_reset_orphaned_tasks()
    assert states() == {'SchedulerJob': 'running'}
