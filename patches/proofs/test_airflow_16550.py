"""apache/airflow#16550: a task that was adopted, and that Celery never ran, gives its slot back."""
import datetime

import pytest

KEYS = {'early': -1, 'late': 3600, 'due': -1}


@pytest.fixture(name='executor')
def fixture_executor():
    """It has taken over three tasks; one of them may still begin."""
    from airflow.executors.celery_executor import CeleryExecutor
    from airflow.models.taskinstance import TaskInstanceKey
    from airflow.utils import timezone

    executor = CeleryExecutor()
    now = timezone.utcnow()
    for name, seconds in KEYS.items():
        key = TaskInstanceKey('dag', name, now, 1)
        executor.adopted_task_timeouts[key] = now + datetime.timedelta(seconds=seconds)
        executor.tasks[key] = None
        executor.running.add(key)
    executor.update_all_task_states = lambda: None
    return executor


def names(keys):
    return sorted(key.task_id for key in keys)


def test_a_task_that_never_began_takes_up_no_slot(executor):
    slots = executor.slots_available
    executor.sync()
    assert 'early' not in names(executor.running), 'it counts as running for ever, and is never sent again'
    assert executor.slots_available > slots


def test_each_task_that_is_due_is_given_back_and_no_other(executor):
    executor.sync()
    assert names(executor.running) == ['late']
    events = {key.task_id: state for key, (state, _) in executor.get_event_buffer().items()}
    assert events == {'early': 'failed', 'due': 'failed'}
    assert names(executor.tasks) == names(executor.adopted_task_timeouts) == ['late']
