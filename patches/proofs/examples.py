"""What users do with the bundled example DAGs: trigger one and let a task of it run, and read what it logged."""
import contextlib
import datetime
import itertools
import logging
import os

# The start dates of the examples move with the present day, and tasks have no instances before these.
TODAY = datetime.datetime.utcnow().replace(hour=0, minute=0, second=0, microsecond=0)
DATES = (TODAY + datetime.timedelta(seconds=n) for n in itertools.count())


@contextlib.contextmanager
def lines_of_tasks():
    """The lines that tasks log meanwhile, without the commands they announce."""
    # It sets up logging, and removes the handlers that are there before.
    import airflow  # noqa: F401

    lines = []
    handler = logging.Handler(logging.INFO)
    handler.addFilter(lambda record: 'Running command' not in record.getMessage())
    handler.emit = lambda record: lines.append(record.getMessage())
    # Versions differ in whether the output of bash goes to the logger of tasks or to a module's own.
    loggers = [logging.getLogger(), logging.getLogger('airflow.task')]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield lines
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def path_of(dag_id):
    """The file of a bundled example."""
    import airflow.example_dags

    return os.path.join(list(airflow.example_dags.__path__)[0], dag_id + '.py')


def trigger_and_run(dag_id, task_id, conf, run_id=None):
    """Does what happens when a user triggers the DAG with this configuration; returns the run's date."""
    from airflow.models import DagBag
    from airflow.utils import timezone
    from airflow.utils.state import State

    dag = DagBag(dag_folder=path_of(dag_id), include_examples=False).get_dag(dag_id)
    execution_date = timezone.make_aware(next(DATES))
    dag_run = dag.create_dagrun(
        run_id=run_id or 'manual__' + execution_date.isoformat(),
        execution_date=execution_date,
        state=State.RUNNING,
        conf=conf,
        external_trigger=True,
    )
    task_instance = dag_run.get_task_instance(task_id)
    task_instance.task = dag.get_task(task_id)
    task_instance.run(ignore_all_deps=True)
    return execution_date
