"""AIRFLOW-15599: the page of rendered templates shows no secrets, whether the task ran or not."""
import importlib

import masking
import pytest
import ui

LITERALS = ['literal-in-a-field', "'31'", '"31"']


@pytest.fixture(name='dag', scope='module', autouse=True)
def fixture_dag():
    import os

    from airflow.models import DagBag

    for name in ui.UIS:
        ui.app_of(name)
    masking.prepare()
    dag = DagBag(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], include_examples=False).get_dag(masking.DAG_ID)
    dag.sync_to_db()
    if ui.IS_1:
        for name in ui.UIS:
            importlib.import_module('airflow.{}.views'.format(name)).dagbag.dags[dag.dag_id] = dag
    else:
        from airflow.models.serialized_dag import SerializedDagModel

        SerializedDagModel.write_dag(dag)
    dag.create_dagrun(run_id='manual__1', execution_date=ui.RUN_DATE, state='running', external_trigger=True)
    return dag


def page(name, task_id):
    """What the page of an interface shows of that task."""
    path = ui.url_of(name, 'rendered' if ui.IS_1 else 'rendered-templates')
    query = {'dag_id': masking.DAG_ID, 'task_id': task_id, 'execution_date': ui.RUN_DATE.isoformat()}
    response = ui.client_of(name).get(path, query_string=query)
    assert response.status_code == 200
    return masking.text_of(response.get_data(as_text=True))


@pytest.mark.parametrize('name', ui.UIS)
def test_what_is_rendered_for_the_page_shows_no_secrets(name):
    text = page(name, 'rendered')

    assert 'at south-of-the-variable with' in text, text
    assert not masking.seen(text), 'the page shows secrets of Variables'
    assert 'name-of-the-json' in text


@pytest.mark.parametrize('name', ui.UIS)
def test_nor_what_a_field_calls_a_secret(name):
    text = page(name, 'rendered')

    assert not [literal for literal in LITERALS if literal in text], 'the page shows secrets of a field'
    assert 'literal-at-home' in text


@pytest.mark.parametrize('name', ui.UIS)
def test_nor_the_error_of_a_template(name):
    text = page(name, 'broken')

    assert 'Error rendering template' in text, text
    assert not masking.seen(text), 'the page shows a secret in an error'


@pytest.fixture(name='stored', scope='module')
def fixture_stored():
    """What an executor leaves in the database when it runs the task."""
    from airflow.settings import Session

    # Stored by 1.10 only where pages do not read the files of DAGs; by the first of it not at all.
    output, _ = masking.airflow('run', 'rendered', '--raw', AIRFLOW__CORE__STORE_SERIALIZED_DAGS='True')
    assert 'Marking task as ' in output, output
    try:
        from airflow.models.renderedtifields import RenderedTaskInstanceFields
    except ImportError:
        pytest.skip('this version stores nothing')
    session = Session()
    stored = [str(row.rendered_fields) for row in session.query(RenderedTaskInstanceFields)]
    session.commit()
    assert len(stored) == 1
    return stored[0]


@pytest.mark.parametrize('name', ui.UIS)
def test_an_ordinary_task_is_shown_as_it_is(name):
    assert 'pin variable-with-pin in south-of-the-variable' in page(name, 'pin')


def test_what_was_stored_when_the_task_ran_holds_no_secrets(stored):
    assert not masking.seen(stored), 'secrets are stored as they were rendered'
    assert 'at south-of-the-variable with' in stored


@pytest.mark.parametrize('name', ui.UIS)
def test_so_the_page_still_shows_none(stored, name):
    text = page(name, 'rendered')

    assert not masking.seen(text), 'the page shows secrets of a task that ran'
    assert 'at south-of-the-variable with' in text
