"""AC-BUG-43, AC-BUG-44, AC-BUG-45: runs of which tasks are cleared begin anew, whose ever they are, and no others."""
import datetime

import pytest
import scheduling

LATER = scheduling.DAY + datetime.timedelta(days=1)


def with_runs(dag_id, states, operator=None, **kwargs):
    """A stored DAG whose only task has a run of each state, the first of DAY and the second of LATER."""
    from airflow.models import DagRun, TaskInstance
    from airflow.operators.bash import BashOperator

    with scheduling.session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).filter(model.dag_id == dag_id).delete()
    if operator is None:
        operator, kwargs['bash_command'] = BashOperator, 'true'
    dag = scheduling.stored(dag_id, operator=operator, **kwargs)
    for date, state in zip((scheduling.DAY, LATER), states):
        dag.create_dagrun(run_id='manual__%s' % date, execution_date=date, state=state, external_trigger=True)
    with scheduling.session() as session:
        for ti in session.query(TaskInstance).filter(TaskInstance.dag_id == dag_id):
            ti.state = states[0] if ti.execution_date == scheduling.DAY else states[1]
        for run in session.query(DagRun).filter(DagRun.dag_id == dag_id):
            run.start_date = scheduling.DAY
    return dag


def runs(dag_id):
    """The states of the runs of a DAG, the earliest first."""
    from airflow.models import DagRun

    with scheduling.session() as session:
        found = session.query(DagRun).filter(DagRun.dag_id == dag_id).order_by(DagRun.execution_date)
        return [run.state for run in found]


def typed(*words):
    """Types `airflow tasks clear`."""
    from airflow.cli import cli_parser

    args = cli_parser.get_parser().parse_args(['tasks', 'clear', '--yes'] + list(words))
    args.func(args)


@pytest.fixture(name='file')
def fixture_file(tmp_path):
    """A DAG file with the DAG that the command clears, which finds it there."""
    path = tmp_path / 'own.py'
    path.write_text(
        'from datetime import datetime\nfrom airflow import DAG\nfrom airflow.operators.bash import BashOperator\n'
        'dag = DAG("own", start_date=datetime(2021, 6, 1), schedule_interval=None)\n'
        'BashOperator(task_id="task", bash_command="true", dag=dag)\n'
    )
    return str(path)


def test_a_run_of_which_nothing_is_cleared_stays_as_it_is(file):
    with_runs('own', ['success', 'failed'])
    typed('own', '--only-failed', '--subdir', file)
    assert runs('own') == ['success', 'running']


def test_all_are_reset_of_which_something_is_cleared(file):
    with_runs('own', ['success', 'failed'])
    typed('own', '--subdir', file)
    assert runs('own') == ['running', 'running']


def test_nothing_outside_the_dates_is_reset(file):
    with_runs('own', ['failed', 'failed'])
    typed('own', '--subdir', file, '--start-date', '2021-06-03', '--end-date', '2021-06-04')
    assert runs('own') == ['failed', 'running']


def test_a_run_that_goes_on_has_begun_when_it_did():
    from airflow.models import DagRun

    dag = with_runs('own', ['running'])
    dag.clear(start_date=scheduling.DAY, end_date=scheduling.DAY)
    with scheduling.session() as session:
        assert session.query(DagRun).filter(DagRun.dag_id == 'own').one().start_date == scheduling.DAY


@pytest.mark.parametrize('state', ['running', 'failed'])
def test_runs_are_written_before_their_tasks_as_the_scheduler_locks_them(monkeypatch, state):
    import sqlalchemy
    from airflow import settings

    dag = with_runs('own', [state])
    scheduling.change('own', state='failed')
    written = []

    def listen(connection, cursor, statement, *_):
        if statement.startswith('UPDATE'):
            written.append(statement)

    sqlalchemy.event.listen(settings.engine, 'before_cursor_execute', listen)
    try:
        dag.clear(start_date=scheduling.DAY, end_date=scheduling.DAY)
    finally:
        sqlalchemy.event.remove(settings.engine, 'before_cursor_execute', listen)
    tables = [statement.split()[1] for statement in written]
    assert tables == sorted(tables)
    assert set(tables) == {'dag_run', 'task_instance'}
    # Also where it was running when it was looked at: it may have ended since.
    assert [statement for statement in written if statement.startswith('UPDATE dag_run SET state=')]


def test_a_backfill_has_runs_reset_as_it_asks():
    dag = with_runs('own', ['success', 'failed'])
    dag.clear(start_date=scheduling.DAY, end_date=LATER, dag_run_state=None)
    assert runs('own') == [None, None]


def test_a_backfill_leaves_runs_of_another_dag_as_they_are():
    with_runs('other', ['success', 'success'])
    marking = marker(['success', 'success'])
    marking.clear(start_date=scheduling.DAY, end_date=LATER, dag_run_state=None)
    assert runs('own') == [None, None]
    assert runs('other') == ['success', 'success']


@pytest.mark.parametrize('state', ['success', 'failed'])
def test_a_run_that_is_cleared_has_the_time_that_its_dag_gives_it(state):
    hour = datetime.timedelta(hours=1)
    dag = with_runs('own', [state], dagrun_timeout=hour)
    dag.clear(start_date=scheduling.DAY, end_date=scheduling.DAY)

    said = scheduling.looped(scheduling.scheduler())

    assert not isinstance(said, Exception), said
    assert runs('own') == ['running'], 'it has timed out before it could begin'
    assert scheduling.task_of('own').state == 'queued'


def marker(states):
    """A DAG whose task clears that of the other."""
    from airflow.sensors.external_task import ExternalTaskMarker

    return with_runs(
        'own', states, operator=ExternalTaskMarker, external_dag_id='other', external_task_id='task'
    )


def test_runs_of_another_dag_go_on_of_which_a_marker_clears_a_task():
    with_runs('other', ['success', 'success'])
    marker(['success', 'success']).clear(start_date=LATER, end_date=LATER)

    assert runs('own') == ['success', 'running']
    assert runs('other') == ['success', 'running'], 'its task is cleared, but not run'


def test_others_of_that_dag_stay_as_they_are():
    with_runs('other', ['failed', 'success'])
    marker(['failed', 'failed']).clear(start_date=scheduling.DAY, end_date=LATER, only_failed=True)

    assert runs('own') == ['running', 'running']
    assert runs('other') == ['running', 'success']
