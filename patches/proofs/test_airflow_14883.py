"""apache/airflow#14883: tasks of another scheduler are taken over wherever Celery keeps its results."""
import pytest
import scheduling


@pytest.fixture(name='executor')
def fixture_executor(monkeypatch):
    from airflow.executors import celery_executor

    monkeypatch.setattr(celery_executor, 'fetch_celery_task_state', state_of)
    # As with amqp or rpc.
    monkeypatch.setattr(celery_executor, 'BaseKeyValueStoreBackend', type(None))
    monkeypatch.setattr(celery_executor, 'DatabaseBackend', type(None))
    return celery_executor.CeleryExecutor()


def state_of(task):
    """Stands for the function that asks Celery for the state of a task."""
    return task.task_id, 'STARTED' if task.task_id == 'known' else 'PENDING', None


@pytest.mark.parametrize('known', ['known', 'another'])
def test_a_task_is_taken_over(executor, known):
    ti = scheduling.run_of(scheduling.stored('own'), state='running', external_executor_id=known, queued_dttm=scheduling.DAY)
    try:
        left = executor.try_adopt_task_instances([ti])
    except TypeError as error:
        left = error
    assert left == [], 'the scheduler ends'
    assert ti.key in executor.running


def test_a_task_that_celery_was_never_told_of_is_not_taken_over(executor):
    ti = scheduling.run_of(scheduling.stored('own'), state='running')
    assert executor.try_adopt_task_instances([ti]) == [ti]
