"""AC-BUG-10: the operator for Papermill runs a notebook with its parameters."""
import datetime
import sys
import types

import pytest
import scheduling


@pytest.fixture(name='run')
def fixture_run(monkeypatch):
    """Runs a notebook with parameters: those that it gets, and where it is written to."""
    from airflow.models import DAG, DagRun, TaskInstance

    notebooks = []

    def execute_notebook(path, written, parameters, **kwargs):
        notebooks.append((path, written, parameters))

    library = types.ModuleType('papermill')
    library.execute_notebook = execute_notebook
    monkeypatch.setitem(sys.modules, 'papermill', library)
    from airflow.operators import papermill_operator

    monkeypatch.setattr(papermill_operator, 'pm', library)
    with scheduling.session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).delete()

    def run(parameters):
        start = datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc)
        dag = DAG('own', start_date=start, schedule_interval=None)
        task = papermill_operator.PapermillOperator(
            task_id='task', input_nb='/in.ipynb', output_nb='/out-{{ ds }}.ipynb', parameters=parameters, dag=dag
        )
        dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True)
        try:
            TaskInstance(task, scheduling.DAY).run(ignore_all_deps=True)
        except TypeError as error:
            return error
        return notebooks

    return run


@pytest.mark.parametrize(
    'given, parameters',
    [
        ({'text': 'on {{ ds }}', 'number': 7}, {'text': 'on 2021-06-02', 'number': 7}),
        ({'several': ['{{ ds }}', None, {'it is': True}]}, {'several': ['2021-06-02', None, {'it is': True}]}),
        ({}, {}),
    ],
)
def test_a_notebook_gets_its_parameters(run, given, parameters):
    assert run(given) == [('/in.ipynb', '/out-2021-06-02.ipynb', parameters)], 'the task fails'
    assert scheduling.task_of('own').state == 'success'


def test_what_is_known_of_a_file_is_rendered_as_ever():
    from airflow.lineage.datasets import File

    file = File('/data/{{ ds }}')
    assert file.name == '/data/{{ ds }}'
    file.set_context({'ds': 'today'})
    assert file.name == '/data/today'
    attributes = file.as_dict()['attributes']
    assert attributes == {'name': '/data/today', 'path': '/data/today', 'qualifiedName': 'file:///data/today'}
