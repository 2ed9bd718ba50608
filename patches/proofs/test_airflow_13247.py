"""apache/airflow#13247: a scheduler can work with CeleryKubernetesExecutor."""
import cluster
import pytest
import scheduling


@pytest.fixture(name='executor')
def fixture_executor(monkeypatch):
    from airflow.executors.executor_loader import ExecutorLoader

    with cluster.short_paths():
        yield ExecutorLoader.load_executor('CeleryKubernetesExecutor')


def test_both_executors_know_the_job_of_the_scheduler(executor):
    executor.job_id = 7
    both = [executor.celery_executor.job_id, executor.kubernetes_executor.job_id]
    assert both == [7, 7], 'the executor for Kubernetes does not start'
    assert executor.job_id == 7


def test_a_scheduler_queues_tasks_with_it(executor):
    scheduling.run_of(scheduling.stored('own'), state='scheduled', pool='default_pool')
    job = scheduling.scheduler()
    job.executor = executor

    assert isinstance(scheduling.looped(job), int), 'the scheduler ends'

    assert scheduling.task_of('own').state == 'queued'
    assert len(executor.queued_tasks) == 1
