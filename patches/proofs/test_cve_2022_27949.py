"""CVE-2022-27949: the page of rendered templates shows no secrets of tasks that never ran."""
import html

import pytest
import ui

SECRET = 'hunter2-of-the-variable'
LITERAL = 'hunter3-in-the-field'
DAG_ID = 'renders'


@pytest.fixture(name='dag', scope='module')
def fixture_dag():
    from airflow.models import DAG, Variable
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.operators.bash import BashOperator

    ui.app_of(ui.RBAC)
    Variable.set('api_password', SECRET)
    Variable.set('region', 'north')
    with DAG(DAG_ID, start_date=ui.RUN_DATE, schedule_interval=None) as dag:
        env = {'PASSWORD': LITERAL, 'nested': ['{{ var.value.api_password }}'], 'REGION': '{{ var.value.region }}'}
        command = 'login {{ var.value.api_password }} at {{ var.value.region }} on {{ ds }}'
        BashOperator(task_id='task', bash_command=command, env=env)
        BashOperator(task_id='fallback', bash_command='{{ var.value.get("api_password", "none") }} and {{ ds }}')
        BashOperator(task_id='broken', bash_command='fine: {{ ds }}', env={'A': '{{ nowhere.at.all }}', 'PASSWORD': LITERAL})
    dag.sync_to_db()
    SerializedDagModel.write_dag(dag)
    dag.create_dagrun(run_id='manual__1', execution_date=ui.RUN_DATE, state='running', external_trigger=True)
    return dag


def page(task_id, username='admin'):
    """What the page shows, without its markup, as colours may stand between characters."""
    values = {'dag_id': DAG_ID, 'task_id': task_id, 'execution_date': ui.RUN_DATE.isoformat()}
    response = ui.client_of(ui.RBAC, username).get('/rendered-templates', query_string=values)
    assert response.status_code == 200
    return ''.join(ui_text(response.get_data(as_text=True)))


def ui_text(text):
    inside = False
    for character in html.unescape(text):
        inside = character == '<' or (inside and character != '>')
        if not inside and character != '>':
            yield character


@pytest.mark.parametrize('username', ['admin', 'viewer'])
def test_a_variable_with_the_name_of_a_secret_is_masked_wherever_it_is_rendered(dag, username):
    text = page('task', username)

    assert SECRET not in text, 'the page shows the secret of a task that never ran'
    assert 'login *** at north on 2021-06-02' in text


def test_so_is_a_field_whose_name_says_that_it_is_secret(dag):
    assert LITERAL not in page('task')


def test_it_is_masked_the_second_time_too_and_where_there_is_a_default(dag):
    page('fallback')
    text = page('fallback')

    assert SECRET not in text
    assert '*** and 2021-06-02' in text


def test_what_was_rendered_before_an_error_is_masked_as_well(dag):
    text = page('broken')

    assert LITERAL not in text
    assert 'fine: ' in text


def test_values_that_are_no_secrets_are_shown(dag):
    text = page('task')

    assert 'REGION' in text and 'north' in text


def test_fields_of_a_task_that_ran_are_shown_as_they_were_stored(dag):
    from airflow.models import TaskInstance, Variable
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.utils.session import create_session

    instance = TaskInstance(dag.get_task('fallback'), ui.RUN_DATE)
    fields = RenderedTaskInstanceFields(instance, render_templates=False)
    fields.rendered_fields = {'bash_command': 'as it was with ***', 'env': None}
    with create_session() as session:
        session.merge(fields)
    Variable.set('api_password', 'another')

    assert 'as it was with ***' in page('fallback')
    Variable.set('api_password', SECRET)


def test_the_operator_itself_still_gets_the_secret(dag):
    """Masked is what is shown, not what a task works with."""
    import copy

    from airflow.models import TaskInstance

    task = copy.copy(dag.get_task('task'))
    TaskInstance(task, ui.RUN_DATE).render_templates()

    assert task.bash_command == 'login {} at north on 2021-06-02'.format(SECRET)
