"""DAGs in the database for the proofs, and a scheduler of 2.x whose executor and reader of files only remember."""
import datetime
import os

DAY = datetime.datetime(2021, 6, 2, tzinfo=datetime.timezone.utc)


def session():
    """A session of the database, which is committed at its end."""
    try:
        from airflow.utils.session import create_session
    except ImportError:
        from airflow.utils.db import create_session
    return create_session()


class Remembers:
    """Stands for who is told things."""

    def __init__(self):
        self.told = []

    def send_callback_to_execute(self, request):
        self.told.append(request)

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


def scheduler():
    """A scheduler that is not running; its executor has slots, and does nothing by itself."""
    from airflow.executors.base_executor import BaseExecutor
    from airflow.jobs.scheduler_job import SchedulerJob

    job = SchedulerJob(subdir=os.devnull, executor=BaseExecutor())
    job.processor_agent = Remembers()
    return job


def stored(dag_id, tasks=('task',), operator=None, **kwargs):
    """A DAG as the reader of DAG files stores it; its options are among those of its tasks, which do nothing."""
    from airflow.models import DAG, DagModel
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.utils import timezone

    of_dag = ('schedule_interval', 'max_active_runs', 'dagrun_timeout')
    options = {name: kwargs.pop(name) for name in list(kwargs) if name in of_dag}
    options.setdefault('schedule_interval', None)
    dag = DAG(dag_id, start_date=timezone.datetime(2021, 6, 1), **options)
    for task_id in tasks:
        (operator or DummyOperator)(task_id=task_id, dag=dag, **kwargs)
    dag.sync_to_db()
    # 1.10.7 cannot serialize a DAG that says of itself that it does not begin paused.
    with session() as opened:
        opened.query(DagModel).filter(DagModel.dag_id == dag_id).update({'is_paused': False})
    SerializedDagModel.write_dag(dag)
    return dag


def run_of(dag, state=None, **values):
    """The task of a new run of a DAG, its only one, as the database has it, in some state."""
    from airflow.models import DagRun, TaskInstance

    with session() as opened:
        for model in (TaskInstance, DagRun):
            opened.query(model).filter(model.dag_id == dag.dag_id).delete()
    dag.create_dagrun(run_id='manual__1', execution_date=DAY, state='running', external_trigger=True)
    change(dag.dag_id, state=state, **values)
    return task_of(dag.dag_id)


def change(dag_id, **values):
    """Writes values to the task of a run."""
    from airflow.models import TaskInstance

    with session() as opened:
        for ti in opened.query(TaskInstance).filter(TaskInstance.dag_id == dag_id):
            for name, value in values.items():
                setattr(ti, name, value)


def looped(job):
    """What a scheduler says who looks once at all runs: a number, or the error with which it ends."""
    with session() as opened:
        try:
            return job._do_scheduling(opened)
        except Exception as error:  # pylint: disable=broad-except
            opened.rollback()
            return error


def task_of(dag_id, task_id='task'):
    """A task of a run as the database has it now."""
    from airflow.models import TaskInstance

    with session() as opened:
        ti = opened.query(TaskInstance).filter_by(dag_id=dag_id, task_id=task_id).one()
        opened.expunge_all()
        return ti


def job(kind, age):
    """A running job of a kind whose last heartbeat is so many seconds ago; its id."""
    from airflow import settings
    from airflow.jobs.base_job import BaseJob
    from airflow.utils import timezone

    seen = timezone.utcnow() - datetime.timedelta(seconds=age)
    values = {'job_type': kind, 'state': 'running', 'latest_heartbeat': seen, 'start_date': seen}
    return settings.engine.execute(BaseJob.__table__.insert().values(**values)).inserted_primary_key[0]
