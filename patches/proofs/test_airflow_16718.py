"""apache/airflow#16718: a task that is queued again has no id of its try before."""
import scheduling


def test_a_task_that_is_queued_has_no_id_yet():
    values = {'external_executor_id': 'of the try before', 'pool': 'default_pool'}
    scheduling.run_of(scheduling.stored('own'), state='scheduled', **values)

    scheduling.looped(scheduling.scheduler())

    ti = scheduling.task_of('own')
    assert ti.state == 'queued'
    assert ti.external_executor_id is None, 'who takes it over is told that it has ended'
