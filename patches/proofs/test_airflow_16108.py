"""apache/airflow#16108: a task can be run from the command line with KubernetesExecutor."""
import argparse

import pytest


class Executor:
    """Starts as KubernetesExecutor does: not without a job."""

    job_id = None

    def __init__(self):
        self.queued = []

    def start(self):
        from airflow.exceptions import AirflowException

        if not self.job_id:
            raise AirflowException('Could not get scheduler_job_id')

    def queue_task_instance(self, ti, **kwargs):
        self.queued.append(ti)

    def heartbeat(self):
        pass

    end = heartbeat


@pytest.mark.parametrize('force', [True, False])
def test_a_task_is_sent_to_the_executor(monkeypatch, force):
    from airflow.cli.commands import task_command
    from airflow.exceptions import AirflowException

    executor = Executor()
    monkeypatch.setattr(task_command.ExecutorLoader, '_default_executor', executor)
    names = ('ship_dag', 'mark_success', 'ignore_all_dependencies', 'ignore_depends_on_past', 'ignore_dependencies', 'pool')
    args = argparse.Namespace(force=force, **dict.fromkeys(names))
    try:
        task_command._run_task_by_executor(args, None, 'a task')
    except AirflowException as error:
        assert not error, 'the command ends in an error'
    assert executor.queued == ['a task']
