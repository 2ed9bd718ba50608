"""apache/airflow#14490: what the API tells in detail of a DAG has its tags and its owners."""
import people
import pytest
import scheduling


def stored(dag_id, owners, tags):
    """A DAG in the database, with a task of each owner."""
    from airflow.models import DAG
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.utils import timezone

    dag = DAG(dag_id, start_date=timezone.datetime(2021, 6, 1), schedule_interval=None, tags=tags)
    for owner in owners:
        DummyOperator(task_id='of_' + owner, owner=owner, dag=dag)
    dag.sync_to_db()
    with scheduling.session() as session:
        SerializedDagModel.write_dag(dag, session=session)


def told(path):
    response = people.api('admin', 'GET', path)
    assert response.status_code == 200, response.data
    return response.get_json()


@pytest.mark.parametrize(
    'dag_id, owners, tags',
    [('plain', [], None), ('bare', ['me'], []), ('one', ['me'], ['fast']), ('two', ['me', 'you'], ['fast', 'small'])],
)
def test_the_details_of_a_dag_have_its_tags_and_owners(dag_id, owners, tags):
    stored(dag_id, owners, tags)

    details = told('/dags/%s/details' % dag_id)

    assert details['tags'] == [{'name': tag} for tag in tags or []]
    assert sorted(details['owners']) == owners
    assert details['dag_id'] == dag_id and details['timezone'], 'and all the rest'


def test_they_are_those_that_are_told_otherwise():
    stored('mine', ['me'], ['fast'])

    details, short = told('/dags/mine/details'), told('/dags/mine')

    for name in ('tags', 'owners', 'is_paused', 'fileloc', 'schedule_interval'):
        assert details[name] == short[name]
