"""apache/airflow#16326: with CeleryKubernetesExecutor a Celery worker can run tasks."""
import os

import cluster
import pytest
import scheduling


@pytest.fixture(autouse=True)
def fixture_executor(monkeypatch):
    """Set here, as Airflow refuses it beside SQLite while it is imported."""
    from airflow.executors.executor_loader import ExecutorLoader

    monkeypatch.setenv('AIRFLOW__CORE__EXECUTOR', 'CeleryKubernetesExecutor')
    monkeypatch.setattr(ExecutorLoader, '_default_executor', None)
    with cluster.short_paths():
        yield


def in_a_worker(what):
    """What a process says in which a Celery worker runs a task."""
    from billiard import Process  # Celery's own

    there, here = os.pipe()

    def run():
        try:
            said = what()
        except BaseException as error:  # pylint: disable=broad-except
            said = repr(error)
        os.write(here, said.encode())

    worker = Process(target=run)
    worker.daemon = True  # as Celery makes all of its workers
    worker.start()
    worker.join(60)
    os.close(here)
    with os.fdopen(there, 'rb') as answer:
        return answer.read().decode()


def job_of_a_task():
    from airflow.jobs.local_task_job import LocalTaskJob

    return LocalTaskJob(task_instance=scheduling.task_of('own')).executor_class


def test_a_celery_worker_makes_the_job_of_a_task():
    scheduling.run_of(scheduling.stored('own'))
    assert in_a_worker(job_of_a_task) == 'CeleryKubernetesExecutor'


def test_an_executor_has_its_queues_once_it_is_started(monkeypatch):
    from airflow.executors import kubernetes_executor
    from airflow.executors.executor_loader import ExecutorLoader

    monkeypatch.setattr(kubernetes_executor, 'get_kube_client', scheduling.Remembers)
    monkeypatch.setattr(kubernetes_executor, 'AirflowKubernetesScheduler', lambda *args: scheduling.Remembers())
    executor = ExecutorLoader.get_default_executor().kubernetes_executor
    executor.job_id = 1
    executor.start()
    try:
        executor.task_queue.put('a task')
        assert executor.task_queue.get_nowait() == 'a task'
        executor.task_queue.task_done()
    finally:
        executor.end()
