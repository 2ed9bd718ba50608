"""apache/airflow#14416: a task instance is shown, and rendered, though the one before has no start date."""
import pendulum
import pytest
import ui

DAYS = [pendulum.datetime(2021, 6, day) for day in (2, 3)]
STARTED = pendulum.datetime(2021, 6, 2, 12, 30)


def second_of_two(start_date, dag_id='daily'):
    """A task instance after one that is successful and has started then, or never; and its page."""
    from airflow.models import DAG, DagRun, TaskInstance
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.operators.bash import BashOperator

    dag = DAG(dag_id, start_date=DAYS[0], schedule_interval='@daily')
    task = BashOperator(task_id='task', bash_command='echo {{ prev_start_date_success }}', dag=dag)
    dag.sync_to_db()
    SerializedDagModel.write_dag(dag)
    with ui._session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).filter(model.dag_id == dag_id).delete()
        for day in DAYS:
            run_id = 'scheduled__' + day.isoformat()
            session.add(DagRun(dag_id, run_id, execution_date=day, run_type='scheduled', state='success'))
        session.add(TaskInstance(task, DAYS[0]))
        session.flush()
        first = session.query(TaskInstance).filter(TaskInstance.dag_id == dag_id).one()
        first.state, first.start_date = 'success', start_date
        session.add(TaskInstance(task, DAYS[1]))
    values = {'dag_id': dag_id, 'task_id': 'task', 'execution_date': DAYS[1].isoformat()}
    return TaskInstance(task, DAYS[1]), ui.client_of(ui.RBAC).get('/task', query_string=values)


@pytest.fixture(autouse=True)
def fixture_application(monkeypatch):
    # An error is a page, as from a webserver
    monkeypatch.setitem(ui.app_of(ui.RBAC).config, 'PROPAGATE_EXCEPTIONS', False)


def test_an_instance_after_one_that_never_started_is_shown():
    _, page = second_of_two(None)
    assert page.status_code == 200, 'the page of the task instance is an error'


def test_its_templates_are_rendered():
    instance, _ = second_of_two(None)
    try:
        instance.render_templates()
    except Exception as error:  # pylint: disable=broad-except
        assert error is None, 'the task fails'
    assert instance.task.bash_command == 'echo None'


def test_the_start_date_of_the_one_before_is_known_where_there_is_one():
    instance, page = second_of_two(STARTED)
    assert page.status_code == 200
    assert instance.get_previous_start_date(state='success') == STARTED
    assert str(STARTED.date()) in page.get_data(as_text=True)
    instance.render_templates()
    assert instance.task.bash_command.startswith('echo 2021-06-02T12:30')
