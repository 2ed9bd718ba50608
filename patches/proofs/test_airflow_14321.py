"""apache/airflow#14321: the tasks of a run end that has reached dagrun_timeout, and those of the next one begin."""
import datetime
import importlib.util
import subprocess
import sys
import time

import pytest
import scheduling

IS_1 = importlib.util.find_spec('airflow.www_rbac') is not None
FILE = '''
import time
from datetime import datetime, timedelta
from airflow import DAG
from airflow.operators.python_operator import PythonOperator

def work():
    time.sleep(90)

with DAG('slow', start_date=datetime(2021, 6, 2), schedule_interval='@daily', dagrun_timeout={timeout},
         max_active_runs=1, is_paused_upon_creation=False) as dag:
    PythonOperator(task_id='task', python_callable=work, retries={retries})
'''


def made(tmp_path, timeout='timedelta(minutes=5)', retries=0):
    """A DAG with a run, and one that was begun ten minutes ago, and the file of the DAG."""
    from airflow.models import DagBag, DagRun, TaskInstance
    from airflow.models.serialized_dag import SerializedDagModel

    file = tmp_path / 'slow.py'
    file.write_text(FILE.format(timeout=timeout, retries=retries))
    dag = DagBag(dag_folder=str(file), include_examples=False).dags['slow']
    with scheduling.session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).filter(model.dag_id == 'slow').delete()
    dag.sync_to_db()
    if not IS_1:
        SerializedDagModel.write_dag(dag)
    begun = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=10)
    dag.create_dagrun(
        run_id='scheduled__' + scheduling.DAY.isoformat(), execution_date=scheduling.DAY, start_date=begun,
        state='running', external_trigger=False,
    )  # fmt: skip
    # What the scheduler notes when it has made the run: which one is the next.
    dag.sync_to_db()
    if IS_1:
        # Those of later versions are made with their run.
        with scheduling.session() as session:
            one = session.query(DagRun).filter_by(dag_id='slow').one()
            one.dag = dag
            one.verify_integrity(session=session)
    return dag, str(file)


def look(dag):
    """A scheduler looks at the runs of the DAG."""
    if IS_1:
        from airflow.jobs import SchedulerJob

        with scheduling.session() as session:
            SchedulerJob(dag_ids=[]).create_dag_run(dag, session=session)
        return
    result = scheduling.looped(scheduling.scheduler())
    assert not isinstance(result, Exception), result


def states():
    """The states of the runs, and of their tasks, by day."""
    from airflow.models import DagRun, TaskInstance

    with scheduling.session() as session:
        return tuple(
            {thing.execution_date.day: thing.state for thing in session.query(model).filter_by(dag_id='slow')}
            for model in (DagRun, TaskInstance)
        )


@pytest.mark.parametrize('state', ['running', 'queued', 'scheduled', 'up_for_retry', 'up_for_reschedule'])
def test_a_task_of_a_run_that_takes_too_long_is_skipped(tmp_path, state):
    dag, _ = made(tmp_path)
    scheduling.change('slow', state=state)

    look(dag)

    runs, tasks = states()
    assert runs[2] == 'failed'
    assert tasks[2] == 'skipped', 'it goes on although its run has ended'


@pytest.mark.parametrize('state', ['success', 'failed', 'upstream_failed', None])
def test_a_task_that_has_ended_or_was_not_begun_is_as_it_was(tmp_path, state):
    dag, _ = made(tmp_path)
    scheduling.change('slow', state=state)

    look(dag)

    runs, tasks = states()
    assert (runs[2], tasks[2]) == ('failed', state)


@pytest.mark.parametrize('timeout', ['None', 'timedelta(hours=1)'])
def test_a_task_goes_on_as_long_as_its_run_may_take(tmp_path, timeout):
    dag, _ = made(tmp_path, timeout)
    scheduling.change('slow', state='running')

    look(dag)

    runs, tasks = states()
    assert (runs[2], tasks[2]) == ('running', 'running')


@pytest.mark.skipif(IS_1, reason='there, tasks of a run that has ended do not count')
def test_a_task_of_the_next_run_begins(tmp_path):
    dag, _ = made(tmp_path)
    scheduling.change('slow', state='running')
    look(dag)

    for _ in range(2):
        look(dag)

    later = [state for day, state in states()[1].items() if day > 2]
    assert later == ['queued'], 'the next run waits for the task of one that has ended'


@pytest.mark.parametrize('retries', [0, 1])
def test_the_process_of_a_task_ends(tmp_path, monkeypatch, retries):
    dag, file = made(tmp_path, retries=retries)
    scheduling.change('slow', state='queued')
    monkeypatch.setenv('AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC', '1')
    words = ['run'] if IS_1 else ['tasks', 'run']
    script = 'import sys; from airflow.bin.cli import CLIFactory as F; a = F.get_parser().parse_args(); a.func(a)'
    program = ['-c', script] if IS_1 else ['-m', 'airflow']
    words += ['slow', 'task', scheduling.DAY.isoformat(), '--local', '--subdir', file]
    process = subprocess.Popen([sys.executable] + program + words)
    try:
        until(lambda: states()[1][2] == 'running')
        time.sleep(2)

        look(dag)

        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            pytest.fail('it goes on')
    finally:
        process.kill()
    assert states()[1][2] == 'skipped'


def until(holds):
    """Waits for it."""
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.2)
    assert holds()
