"""apache/airflow#8081: a DAG can be triggered whose subdags have subdags."""
import types

import pytest


def family(*names):
    """A DAG with a subdag for each further name, each of them within the one before."""
    from airflow.models import DAG
    from airflow.operators.subdag_operator import SubDagOperator
    from airflow.utils import timezone

    def made(dag_id, rest):
        dag = DAG(dag_id, start_date=timezone.datetime(2021, 6, 1), schedule_interval=None)
        if rest:
            SubDagOperator(task_id=rest[0], subdag=made('{}.{}'.format(dag_id, rest[0]), rest[1:]), dag=dag)
        return dag

    return made(names[0], names[1:])


@pytest.mark.parametrize('names', [('one',), ('two', 'inner'), ('three', 'inner', 'innermost')])
def test_each_of_them_has_a_run(names):
    from airflow.api.common.experimental import trigger_dag
    from airflow.models import DagRun

    dag = family(*names)
    bag = types.SimpleNamespace(dags={dag.dag_id: dag}, get_dag=lambda dag_id: dag)
    try:
        runs = trigger_dag._trigger_dag(dag.dag_id, bag, DagRun(), 'of the proof', None, None, True)
    except Exception as error:  # pylint: disable=broad-except
        runs = error

    assert not isinstance(runs, Exception), 'the request ends in an error of the database'
    assert sorted(run.dag_id for run in runs) == ['.'.join(names[: count + 1]) for count in range(len(names))]
