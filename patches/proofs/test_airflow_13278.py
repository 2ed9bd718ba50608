"""apache/airflow#13278: a query for runs of a type has the type as the database knows it.

There is no MySQL here: what is looked at is the text that its driver makes of the value.
"""
import pytest


@pytest.mark.parametrize('kind', ['backfill', 'scheduled', 'manual'])
def test_a_type_is_written_as_the_database_has_it(kind):
    from airflow.utils.types import DagRunType

    assert str(DagRunType(kind)) == kind, 'no run is found by its type'
    assert DagRunType(kind) == kind
