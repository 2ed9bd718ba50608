"""apache/airflow#8735: the timeout of runs is a duration, also where a DAG is read from the database."""
import datetime
import json

import pytest


@pytest.mark.parametrize('timeout', [datetime.timedelta(hours=2), datetime.timedelta(seconds=90), None])
def test_the_timeout_is_the_same(timeout):
    from airflow.models import DAG
    from airflow.serialization.serialized_objects import SerializedDAG
    from airflow.utils import timezone

    dag = DAG('own', start_date=timezone.datetime(2021, 6, 1), dagrun_timeout=timeout)
    read = SerializedDAG.from_dict(json.loads(json.dumps(SerializedDAG.to_dict(dag))))

    assert read.dagrun_timeout == timeout, 'it is a number, with which no duration can be compared'
