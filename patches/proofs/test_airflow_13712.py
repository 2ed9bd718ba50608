"""apache/airflow#13712: a backfill goes on when one of its tasks is retried or rescheduled."""
import pytest
import scheduling


def backfill(state):
    """A backfill that sees its task, which it has started, in that state; and what it says when the task ends."""
    from airflow.jobs.backfill_job import BackfillJob
    from airflow.utils.session import create_session

    dag = scheduling.stored('own')
    ti = scheduling.run_of(dag, state='running', _try_number=1)
    job = BackfillJob(dag)
    status = BackfillJob._DagRunTaskStatus()
    status.running[ti.key] = ti

    def seen(now, number):
        scheduling.change('own', state=now, _try_number=number)
        with create_session() as session:
            try:
                job._update_counters(status, session=session)
            except KeyError as error:
                return error
        return None

    if state == 'running':
        return seen('success', 1), status
    # A try that is put off does not count.
    assert seen(state, 0 if state == 'up_for_reschedule' else 1) is None
    [key] = status.to_run
    # It is run again under the key under which it waits.
    status.running[key] = status.to_run.pop(key)
    return seen('success', 2 if state == 'up_for_retry' else 1), status


@pytest.mark.parametrize('state', ['up_for_retry', 'up_for_reschedule', 'running'])
def test_a_task_ends_that_was_put_back(state):
    said, status = backfill(state)
    assert said is None, 'the backfill ends in an error'
    assert len(status.succeeded) == 1 and not status.running
