"""apache/airflow#11120: a task runs that follows both a branch operator and the branch that was chosen."""
import datetime

import pytest
import scheduling


@pytest.fixture(name='states')
def fixture_states():
    """Which states tasks end in, after the operator has chosen: `join` follows it, and `one`; `two` follows it alone."""
    from airflow.models import DAG, DagRun, TaskInstance, XCom
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.operators.python_operator import BranchPythonOperator

    def states(chosen):
        with scheduling.session() as session:
            for model in (TaskInstance, DagRun, XCom):
                session.query(model).delete()
        start = datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc)
        dag = DAG('own', start_date=start, schedule_interval=None)
        branch = BranchPythonOperator(task_id='branch', python_callable=lambda: chosen, dag=dag)
        one, two, join = [
            DummyOperator(task_id=name, trigger_rule='none_failed', dag=dag) for name in ('one', 'two', 'join')
        ]
        branch >> [one, two, join]
        one >> join
        dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True)
        for task in (branch, one, two, join):
            TaskInstance(task, scheduling.DAY).run()
        return {name: scheduling.task_of('own', name).state for name in ('one', 'two', 'join')}

    return states


@pytest.mark.parametrize('chosen', ['one', ['one'], ['one', 'join']])
def test_a_task_after_the_chosen_one_runs(states, chosen):
    assert states(chosen) == {'one': 'success', 'two': 'skipped', 'join': 'success'}, 'what follows is skipped'


def test_others_are_skipped(states):
    assert states('two') == {'one': 'skipped', 'two': 'success', 'join': 'skipped'}


def test_a_task_that_is_chosen_itself_runs(states):
    assert states('join') == {'one': 'skipped', 'two': 'skipped', 'join': 'success'}
