"""apache/airflow#17121: a DAG that its file makes no more is listed no more, and one is listed that only cannot be read."""
import datetime
import os
import sys
import zipfile
import zipimport

import pytest
import scheduling
import ui

FOLDER = os.environ['AIRFLOW__CORE__DAGS_FOLDER']
DAG = '''
from datetime import datetime
from airflow import DAG
from airflow.operators.dummy_operator import DummyOperator

for dag_id in {!r}:
    dag = DAG(dag_id, start_date=datetime(2021, 6, 1), schedule_interval=None)
    DummyOperator(task_id='task', dag=dag)
    globals()[dag_id] = dag
'''
# What is in the file when not all of it can be read.
FAULTS = {
    'not at all': 'raise ImportError("airflow DAG")',
    'only its first part': DAG.format(['kept']) + '\nimport nothing_that_is_there',
    'with a wrong schedule': DAG.format(['kept']) + '\nDAG_ = DAG("gone", schedule_interval="a b")',
}


@pytest.fixture(name='path', params=['made.py', 'made.zip'])
def fixture_path(request):
    path = os.path.join(FOLDER, request.param)
    ui.client_of(ui.RBAC)
    yield path
    from airflow.models import DagModel

    with scheduling.session() as session:
        session.query(DagModel).filter(DagModel.dag_id.in_(['kept', 'gone', 'new'])).delete(synchronize_session=False)
    os.remove(path)


def processed(path, text):
    """The file, with that text, was read by the scheduler, who then looks which files there are."""
    from airflow.models import DagModel
    from airflow.utils.log.logging_mixin import LoggingMixin

    if path.endswith('.zip'):
        # The scheduler has a new process for each reading, which has not seen the file before.
        sys.path_importer_cache.pop(path, None)
        zipimport._zip_directory_cache.pop(path, None)
        with zipfile.ZipFile(path, 'w') as file:
            file.writestr('made_of_zip.py', text)
    else:
        with open(path, 'w') as file:
            file.write(text)
    log = LoggingMixin().log
    if ui.IS_1:
        from airflow.jobs import SchedulerJob

        SchedulerJob(dag_ids=[], log=log).process_file(path, [])
    else:
        from airflow.jobs.scheduler_job import DagFileProcessor

        DagFileProcessor(dag_ids=[], log=log).process_file(path, [])
    with scheduling.session() as session:
        files = [os.path.join(FOLDER, name) for name in os.listdir(FOLDER)]
        DagModel.deactivate_deleted_dags(files, session=session)


def later():
    """What is in the database was stored an hour ago."""
    from airflow.models import DagModel

    column = 'last_parsed_time' if hasattr(DagModel, 'last_parsed_time') else 'last_scheduler_run'
    with scheduling.session() as session:
        for dag in session.query(DagModel):
            if getattr(dag, column):
                setattr(dag, column, getattr(dag, column) - datetime.timedelta(hours=1))


def listed():
    """The DAGs of the file that the website lists."""
    page = ui.client_of(ui.RBAC).get('/home').get_data(as_text=True)
    return [name for name in ('gone', 'kept', 'new') if 'dag_id={}"'.format(name) in page]


@pytest.mark.parametrize('names', [['kept', 'new'], ['kept'], []], ids=['renamed', 'one less', 'none'])
def test_a_dag_that_its_file_makes_no_more_is_listed_no_more(path, names):
    processed(path, DAG.format(['gone', 'kept']))
    assert listed() == ['gone', 'kept']
    later()

    processed(path, DAG.format(names))

    assert listed() == names, 'a DAG is listed that nobody makes any more'
    processed(path, DAG.format(['gone', 'kept']))
    assert set(listed()) >= {'gone', 'kept'}, 'and it is there again when it is made again'


@pytest.mark.parametrize('text', list(FAULTS.values()), ids=list(FAULTS))
def test_a_dag_is_listed_as_long_as_its_file_cannot_be_read(path, text):
    processed(path, DAG.format(['gone', 'kept']))
    later()

    processed(path, text)

    assert listed() == ['gone', 'kept']


def test_a_dag_is_listed_that_has_just_been_made_by_who_reads_the_file_too(path):
    processed(path, DAG.format(['gone', 'kept']))

    processed(path, DAG.format(['kept']))

    assert listed() == ['gone', 'kept'], 'the other may have read a newer file'


def test_a_dag_that_has_gone_to_another_file_is_listed(path):
    other = os.path.join(FOLDER, 'elsewhere.py')
    processed(path, DAG.format(['gone', 'kept']))
    processed(other, DAG.format(['gone']))
    later()

    processed(path, DAG.format(['kept']))

    assert listed() == ['gone', 'kept']
    os.remove(other)
