"""apache/airflow#14160: a backfill runs with KubernetesExecutor."""
import scheduling


class Started(Exception):
    """The executor has started; what it does then is not proven here."""


class Executor:
    """Starts as KubernetesExecutor does: not without a job."""

    job_id = None

    def start(self):
        raise Started() if self.job_id else ValueError('Could not get scheduler_job_id')


def test_a_backfill_starts_its_executor():
    from airflow.jobs.backfill_job import BackfillJob
    from airflow.utils import timezone

    day = timezone.datetime(2021, 6, 1)
    job = BackfillJob(scheduling.stored('own', schedule_interval='@daily'), executor=Executor(), start_date=day, end_date=day)
    try:
        job.run()
    except (Started, ValueError) as error:
        said = error
    assert isinstance(said, Started), 'the backfill ends in an error'
