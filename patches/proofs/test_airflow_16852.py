"""apache/airflow#16852: the job of a task lets it be which runs as another user, or again after a failure."""
import os
import subprocess
import sys
import types

import pytest
import scheduling

# As sudo does: it starts another process, says which it is, and waits for it.
SUDO = (
    'import subprocess, sys\n'
    'child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=sys.stdin)\n'
    'print(child.pid, flush=True)\n'
    'child.wait()\n'
)


@pytest.fixture(name='sudo')
def fixture_sudo():
    """A process that has started another; with the number of that one."""
    process = subprocess.Popen([sys.executable, '-c', SUDO], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.task = int(process.stdout.readline())
    yield process
    process.communicate(b'\n')


def heartbeat(process, pid, user='somebody'):
    """What the job says that has started a process, for a task that says it is the one with that number."""
    from airflow.jobs.local_task_job import LocalTaskJob
    from airflow.utils.net import get_hostname

    scheduling.change('own', state='running', pid=pid, hostname=get_hostname())
    job = LocalTaskJob(task_instance=scheduling.task_of('own'))
    job.task_runner = types.SimpleNamespace(process=process, run_as_user=user)
    try:
        job.heartbeat_callback()
    except Exception as error:  # pylint: disable=broad-except
        return str(error)
    return 'goes on'


@pytest.fixture(autouse=True)
def fixture_task():
    scheduling.run_of(scheduling.stored('own'))


def test_a_task_that_sudo_has_started_goes_on(sudo):
    assert heartbeat(sudo, sudo.task) == 'goes on', 'the task is ended that runs as another user'


def test_a_task_that_the_job_has_started_itself_goes_on(sudo):
    assert heartbeat(sudo, sudo.pid) == 'goes on'


@pytest.mark.parametrize('pid', [os.getpid(), 1], ids=['the job', 'another'])
def test_a_task_that_somebody_else_has_started_is_ended(sudo, pid):
    assert heartbeat(sudo, pid) == 'PID of job runner does not match'


def test_a_try_begins_without_the_number_of_the_one_before():
    dag = scheduling.stored('own')
    scheduling.change('own', state='queued', pid=12345)
    ti = scheduling.task_of('own')
    ti.task = dag.get_task('task')

    assert ti.check_and_change_state_before_execution(job_id=1)

    assert scheduling.task_of('own').pid is None, 'the try is ended before it says which process it is'
