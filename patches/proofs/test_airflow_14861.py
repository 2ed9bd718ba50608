"""apache/airflow#14861: an executor that is not Airflow's own is told the queue of a task."""
import pytest
import scheduling


@pytest.mark.parametrize('queue', ['fast', None])
def test_an_executor_is_told_the_queue(queue):
    from airflow.executors.base_executor import BaseExecutor

    told = []

    class Own(BaseExecutor):
        def execute_async(self, key, command, queue=None, executor_config=None):
            told.append(queue)

        def sync(self):
            pass

    ti = scheduling.run_of(scheduling.stored('own'), state='queued')
    executor = Own()
    executor.queue_command(ti, ['airflow', 'tasks', 'run'], queue=queue)
    executor.heartbeat()

    assert told == [queue], 'the task runs wherever there is room'
