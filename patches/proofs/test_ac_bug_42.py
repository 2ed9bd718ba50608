"""AC-BUG-42: runs that wait for others of their DAG keep the scheduler from no other run."""
import datetime

import pytest
import scheduling

LOOPS = 3
HOUR = datetime.timedelta(hours=1)


def stored(dag_id, **kwargs):
    """A DAG whose task has to be run; one that does nothing has succeeded when it is scheduled."""
    from airflow.operators.bash import BashOperator

    return scheduling.stored(dag_id, operator=BashOperator, bash_command='true', **kwargs)


def runs(dag, count, first=1):
    """Makes runs of a DAG that have just been triggered; their dates, the earliest first."""
    dates = [scheduling.DAY + datetime.timedelta(minutes=minute) for minute in range(first, first + count)]
    for date in dates:
        dag.create_dagrun(
            run_id='manual__%s' % date.isoformat(), execution_date=date, state='running', external_trigger=True
        )
    return dates


def looked_at(dag_id):
    """Has the scheduler have looked at the runs of a DAG."""
    from airflow.models import DagRun
    from airflow.utils import timezone

    with scheduling.session() as session:
        for run in session.query(DagRun).filter(DagRun.dag_id == dag_id):
            run.last_scheduling_decision = timezone.utcnow()


def states(dag_id):
    """The state of the one task of each run, by the date of the run."""
    from airflow.models import TaskInstance

    with scheduling.session() as session:
        found = session.query(TaskInstance).filter(TaskInstance.dag_id == dag_id)
        return {ti.execution_date: ti.state for ti in found}


def looped():
    job = scheduling.scheduler()
    for _ in range(LOOPS):
        said = scheduling.looped(job)
        assert not isinstance(said, Exception), said


@pytest.fixture(name='limited')
def fixture_limited():
    """A DAG of which two runs may be active and are, and many more wait."""
    from airflow.models import DagRun, TaskInstance
    from airflow.utils import timezone

    with scheduling.session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).delete()
    dag = stored('limited', max_active_runs=2, retries=5, retry_delay=HOUR)
    active = runs(dag, 2, first=100)
    scheduling.change('limited', state='up_for_retry', try_number=1, end_date=timezone.utcnow() - 3 * HOUR)
    looked_at('limited')
    runs(dag, 21)
    return active


def test_runs_of_another_dag_go_on(limited):
    other = stored('other')
    [date] = runs(other, 1)
    looked_at('other')

    looped()

    assert states('other')[date] == 'queued', 'nobody looks at it any more'


def test_what_is_due_for_a_retry_is_tried_again(limited):
    looped()

    assert [states('limited')[date] for date in limited] == ['queued', 'queued']


def test_no_more_runs_than_may_be_are_active(limited):
    looped()

    assert {date for date, state in states('limited').items() if state} == set(limited)


def test_one_that_waited_goes_on_when_another_has_ended(limited):
    from airflow.models import TaskInstance

    looped()
    with scheduling.session() as session:
        for ti in session.query(TaskInstance).filter(TaskInstance.execution_date.in_(limited)):
            ti.state = 'success'

    looped()

    assert 'queued' in {state for date, state in states('limited').items() if date not in limited}
