"""apache/airflow#19095: a task that is skipped while it runs stays so, and none runs whose run was marked as failed."""
import os
import signal

import pytest
import scheduling


def dag_of():
    from airflow.models import DAG
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.utils import timezone

    dag = DAG('own', start_date=timezone.datetime(2021, 6, 1), schedule_interval=None)
    DummyOperator(task_id='task', dag=dag)
    dag.sync_to_db()
    return dag


def ended(state):
    """The state of a task that is ended by its job while it runs, as somebody has set its state to this one."""
    dag = dag_of()
    task = dag.get_task('task')
    instance = scheduling.run_of(dag, state='running')
    instance.task = task

    def execute(context):
        scheduling.change('own', state=state)
        os.kill(os.getpid(), signal.SIGTERM)

    task.execute = execute
    try:
        instance._run_raw_task()
    except Exception as error:  # pylint: disable=broad-except
        print('the task ended with', repr(error))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return scheduling.task_of('own').state


@pytest.mark.parametrize('state', ['skipped', 'success', 'failed'])
def test_a_task_keeps_the_state_that_somebody_gave_it_while_it_ran(state):
    assert ended(state) == state, 'the task is ' + str(ended(state))


def test_a_task_that_is_killed_has_failed():
    assert ended('running') == 'failed'


def marked_as_failed(state, make=dag_of):
    """A task of a run that is marked as failed while the task has that state."""
    from airflow.api.common.experimental.mark_tasks import set_dag_run_state_to_failed

    dag = make()
    scheduling.run_of(dag, state=state)
    told = set_dag_run_state_to_failed(dag, scheduling.DAY, commit=False)
    assert scheduling.task_of('own').state == state, 'something was changed although it was only asked for'
    changed = set_dag_run_state_to_failed(dag, scheduling.DAY, commit=True)
    assert [ti.task_id for ti in changed] == [ti.task_id for ti in told]
    instance = scheduling.task_of('own')
    instance.task = dag.get_task('task')
    return instance


def runs(instance):
    """Whether a worker runs the task that an executor has sent to it."""
    names = ('check_and_change_state_before_execution', '_check_and_change_state_before_execution')
    return next(getattr(instance, name) for name in names if hasattr(instance, name))()


def test_a_queued_task_does_not_run_when_its_run_was_marked_as_failed():
    instance = marked_as_failed('queued')
    assert not runs(instance), 'the task runs'
    assert scheduling.task_of('own').state == 'failed'


@pytest.mark.parametrize('state', ['success', 'skipped', 'up_for_retry', None])
def test_other_tasks_of_the_run_keep_their_states(state):
    assert marked_as_failed(state).state == state


def test_a_queued_task_of_a_run_that_goes_on_runs():
    dag = dag_of()
    instance = scheduling.run_of(dag, state='queued')
    instance.task = dag.get_task('task')
    assert runs(instance)
    assert scheduling.task_of('own').state == 'running'


def test_a_task_that_is_scheduled_is_not_queued_when_its_run_was_marked_as_failed():
    from airflow.models import TaskInstance

    if not hasattr(TaskInstance, 'queued_by_job_id'):
        pytest.skip('1.10 looks at the run again before it queues a task')
    marked_as_failed('scheduled', lambda: scheduling.stored('own'))
    job = scheduling.scheduler()
    job.max_tis_per_query = 16
    with scheduling.session() as opened:
        queued = job._executable_task_instances_to_queued(max_tis=16, session=opened)
        assert not queued, 'the task is queued'
