"""apache/airflow#10917: the callback of a task that has just ended is called once, and its process is left to end."""
import os
import types

import pytest
import scheduling

JOB = 1234567
FAIL = RuntimeError('as the task is to')


@pytest.fixture(name='job')
def fixture_job(monkeypatch):
    """The job of a task that runs in this process, which is another one than that of the job, and what it does."""
    from airflow.jobs import local_task_job
    from airflow.models import TaskInstance

    called, ended = [], []
    calls = {'on_%s_callback' % name: lambda context, name=name: called.append(name) for name in ('success', 'failure')}

    def of(execute, **kwargs):
        dag = scheduling.stored('own')
        task = dag.get_task('task')
        task.execute = execute
        for name, call in calls.items():
            setattr(task, name, call)
        for name, value in kwargs.items():
            setattr(task, name, value)
        scheduling.run_of(dag)
        ti = TaskInstance(task, scheduling.DAY)
        # All of a job but the process that it would start.
        monkeypatch.setattr(local_task_job, 'os', types.SimpleNamespace(getpid=lambda: JOB))
        job = local_task_job.LocalTaskJob(ti)
        job.task_runner = types.SimpleNamespace(process=object(), return_code=lambda *args, **kwargs: None)
        job.task_runner.terminate = lambda: ended.append('terminated')
        with scheduling.session() as session:
            session.add(job)
            session.flush()
            job_id = job.id
            session.expunge(job)
        with monkeypatch.context() as patched:
            patched.setattr(os, 'getpid', lambda: JOB)
            start = getattr(ti, 'check_and_change_state_before_execution', None)
            start = start or ti._check_and_change_state_before_execution
            assert start(job_id=job_id, ignore_all_deps=True)
        return job, ti, job_id

    of.called, of.ended = called, ended
    return of


def ran(ti, job_id):
    try:
        ti._run_raw_task(job_id=job_id)
    except RuntimeError as error:
        assert error is FAIL


def fails(context):
    raise FAIL


@pytest.mark.parametrize('execute, state', [(lambda context: None, 'success'), (fails, 'failure')], ids=['success', 'failure'])
def test_its_callback_is_called_once(job, execute, state):
    made, ti, job_id = job(execute)
    ran(ti, job_id)
    made.heartbeat_callback()
    assert job.called == [state], 'it is called once more by the job'
    assert job.ended == []


def test_a_task_that_is_tried_again_is_not_killed_either(job):
    made, ti, job_id = job(fails, retries=1)
    ti.max_tries = 1
    ran(ti, job_id)
    made.heartbeat_callback()
    assert job.ended == []


@pytest.mark.parametrize('state, called', [('success', ['success']), ('failed', ['failure']), (None, [])])
def test_a_task_whose_state_somebody_sets_is_ended(job, state, called):
    made, ti, _ = job(lambda context: None)
    with scheduling.session() as session:
        session.query(type(ti)).filter_by(dag_id='own').update({'state': state})
    made.heartbeat_callback()
    assert (job.called, job.ended) == (called, ['terminated'])


def test_a_task_that_runs_goes_on(job):
    made, _, _ = job(lambda context: None)
    made.heartbeat_callback()
    assert (job.called, job.ended) == ([], [])
