"""apache/airflow#16343: a run of a paused DAG ends with its tasks."""
import os
import sched

import pytest
import scheduling


def paused(state):
    """A run of a paused DAG whose two tasks are in those states; then a scheduler looks at all for two minutes."""
    dag = scheduling.stored('paused', tasks=('a', 'b'))
    from airflow.models import DagModel, DagRun, TaskInstance

    with scheduling.session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).filter(model.dag_id == 'paused').delete()
    dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True)
    with scheduling.session() as session:
        session.query(DagModel).filter_by(dag_id='paused').one().is_paused = True
        for ti in session.query(TaskInstance).filter_by(dag_id='paused'):
            ti.state = state[ti.task_id]
    looked()
    with scheduling.session() as session:
        states = {ti.task_id: ti.state for ti in session.query(TaskInstance).filter_by(dag_id='paused')}
        assert states == state, 'no task is changed, and none is scheduled'
        return session.query(DagRun).filter_by(dag_id='paused').one().state


def looked():
    """A scheduler runs one loop in which all is due that it does from time to time."""
    from airflow.executors.base_executor import BaseExecutor
    from airflow.jobs.scheduler_job import SchedulerJob

    job = SchedulerJob(subdir=os.devnull, executor=BaseExecutor(), num_runs=1)
    job.processor_agent = scheduling.Remembers()
    job.id = scheduling.job('SchedulerJob', 0)
    # No job has the tasks of the proof.
    job.adopt_or_reset_orphaned_tasks = lambda *args, **kwargs: None
    enter, run = sched.scheduler.enter, sched.scheduler.run

    def soon(self, delay, *args):
        return enter(self, 0 if delay <= 120 else delay, *args)

    def once(self, blocking=True):
        sched.scheduler.enter = enter
        return run(self, blocking)

    sched.scheduler.enter, sched.scheduler.run = soon, once
    try:
        job._run_scheduler_loop()
    finally:
        sched.scheduler.enter, sched.scheduler.run = enter, run


@pytest.mark.parametrize(
    'a, b, run', [('success', 'success', 'success'), ('success', 'failed', 'failed'), ('success', 'skipped', 'success')]
)
def test_a_run_ends_with_its_tasks(a, b, run):
    assert paused({'a': a, 'b': b}) == run, 'it runs for ever'


@pytest.mark.parametrize('b', ['running', 'queued', 'scheduled', 'up_for_retry', None])
def test_a_run_goes_on_with_its_tasks(b):
    assert paused({'a': 'success', 'b': b}) == 'running'
