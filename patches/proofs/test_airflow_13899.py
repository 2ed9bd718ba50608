"""apache/airflow#13899: the webserver shows no DAG that is not in the database any more, and no error either."""
import pytest
import scheduling


@pytest.fixture(name='dags')
def fixture_dags(monkeypatch):
    """The DAGs of a webserver that asks each time whether they have changed, `own` and `other`, which it has shown."""
    from airflow.models import DagBag, dagbag

    monkeypatch.setattr(dagbag.settings, 'MIN_SERIALIZED_DAG_FETCH_INTERVAL', 0, raising=False)
    monkeypatch.setenv('AIRFLOW__CORE__MIN_SERIALIZED_DAG_FETCH_INTERVAL', '0')
    scheduling.stored('own')
    scheduling.stored('other')
    dags = DagBag('/nowhere', include_examples=False, store_serialized_dags=True)
    assert shown(dags, 'own') and shown(dags, 'other')
    return dags


def shown(dags, dag_id):
    try:
        dag = dags.get_dag(dag_id)
    except TypeError as error:
        return error
    return dag and dag.dag_id


def test_a_deleted_dag_is_none(dags):
    from airflow.models.serialized_dag import SerializedDagModel

    SerializedDagModel.remove_dag('own')

    assert shown(dags, 'own') is None, 'every page of the DAG ends in an error'
    assert shown(dags, 'other') == 'other'
    assert 'own' not in dags.dags


def test_a_dag_that_is_back_is_shown_again(dags):
    from airflow.models.serialized_dag import SerializedDagModel

    SerializedDagModel.remove_dag('own')
    assert shown(dags, 'own') is None, 'every page of the DAG ends in an error'
    scheduling.stored('own')
    assert shown(dags, 'own') == 'own'
