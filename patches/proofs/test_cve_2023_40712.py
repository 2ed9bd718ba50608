"""CVE-2023-40712: the page of rendered templates shows no secrets for a date that no run has, nor beside an error."""
import datetime
import html

import pytest
import ui

SECRET = 'hunter2-of-the-variable'
LITERAL = 'hunter3-in-the-field'
DAG_ID = 'renders'
NO_RUN = ui.RUN_DATE + datetime.timedelta(days=1, seconds=7)
BY_HAND = ui.RUN_DATE + datetime.timedelta(days=2)


@pytest.fixture(name='dag', scope='module')
def fixture_dag():
    from airflow.models import DAG, TaskInstance, Variable
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.operators.bash import BashOperator
    from airflow.utils.session import create_session

    ui.app_of(ui.RBAC)
    Variable.set('api_password', SECRET)
    fields = {
        'plain': 'day {{ ds }} with {{ var.value.api_password }}',
        'undefined': 'raw {{ nowhere.at.all }}',
        'syntax': 'raw {{ nowhere',
        'says': '{{ macros.datetime.strptime(var.value.api_password, "%Y") }}',
        'missing': '{{ var.value.no_such_variable }}',
    }
    with DAG(DAG_ID, start_date=ui.RUN_DATE, schedule_interval=None) as dag:
        for task_id, command in fields.items():
            BashOperator(task_id=task_id, bash_command=command, env={'PASSWORD': LITERAL, 'REGION': 'north'})
    dag.sync_to_db()
    SerializedDagModel.write_dag(dag)
    dag.create_dagrun(run_id='manual__1', execution_date=ui.RUN_DATE, state='running', external_trigger=True)
    # As after `airflow tasks run`, which needs no run of the DAG.
    stored = RenderedTaskInstanceFields(TaskInstance(dag.get_task('plain'), BY_HAND), render_templates=False)
    stored.rendered_fields = {'bash_command': 'it ran by hand', 'env': {'REGION': 'south'}}
    with create_session() as session:
        session.merge(stored)
    return dag


def page(task_id, date=ui.RUN_DATE, username='viewer'):
    """What the page shows, without its markup, as colours may stand between characters."""
    values = {'dag_id': DAG_ID, 'task_id': task_id, 'execution_date': date.isoformat()}
    response = ui.client_of(ui.RBAC, username).get('/rendered-templates', query_string=values)
    assert response.status_code == 200, 'the page of rendered templates is an error'
    return ''.join(ui_text(html.unescape(response.get_data(as_text=True))))


def ui_text(text):
    inside = False
    for character in text:
        inside = character == '<' or (inside and character != '>')
        if not inside and character != '>':
            yield character


@pytest.mark.parametrize('task_id', ['plain', 'undefined', 'syntax', 'says', 'missing'])
@pytest.mark.parametrize('date', [NO_RUN, ui.RUN_DATE - datetime.timedelta(days=400)], ids=['after', 'before'])
def test_a_date_that_no_run_has_shows_no_secrets(dag, task_id, date):
    text = page(task_id, date)

    assert SECRET not in text and LITERAL not in text, 'a date that no run has shows secrets'


@pytest.mark.parametrize('task_id', ['plain', 'undefined'])
def test_nothing_is_rendered_for_such_a_date_and_the_page_says_so(dag, task_id):
    text = page(task_id, NO_RUN)

    assert 'No run of this DAG' in text, 'templates were rendered for a date that no run has'
    assert 'day 2021-06-03' not in text


@pytest.mark.parametrize('task_id', ['undefined', 'syntax', 'says', 'missing'])
def test_a_template_that_cannot_be_rendered_shows_no_secrets_either(dag, task_id):
    text = page(task_id)

    assert LITERAL not in text, 'the page shows a secret beside an error'
    assert SECRET not in text, 'an error shows the secret that was rendered'
    assert 'north' in text


def test_the_error_is_still_shown(dag):
    assert 'no_such_variable' in page('missing')
    assert "'nowhere' is undefined" in page('undefined')
    assert '***' in page('says')


def test_a_task_of_a_run_is_still_rendered(dag):
    assert 'day 2021-06-02 with' in page('plain')


def test_a_task_that_ran_without_a_run_shows_what_was_stored(dag):
    text = page('plain', BY_HAND)

    assert 'it ran by hand' in text and 'south' in text
