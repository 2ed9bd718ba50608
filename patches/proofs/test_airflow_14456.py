"""apache/airflow#14456: the error of a task is logged in JSON, whichever fields of a record are asked for."""
import io
import json
import logging

import pytest
import scheduling


def logged(fields):
    """What is logged of a task that fails."""
    from airflow.models import DAG
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.utils import timezone
    from airflow.utils.log.json_formatter import JSONFormatter

    dag = DAG('own', start_date=timezone.datetime(2021, 6, 1), schedule_interval=None)
    task = DummyOperator(task_id='task', dag=dag)
    dag.sync_to_db()
    instance = scheduling.run_of(dag, state='running')
    instance.task = task

    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JSONFormatter(json_fields=fields, extras={'dag_id': 'own'}))
    instance.log.addHandler(handler)
    try:
        raise ValueError('this is what went wrong')
    except ValueError as error:
        instance.handle_failure(error)
    finally:
        instance.log.removeHandler(handler)
    assert scheduling.task_of('own').state == 'failed'
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize('fields', [['msg'], ['message', 'exc_info'], ['levelname', 'message', 'msg', 'args']], ids=str)
def test_the_error_is_logged(fields):
    lines = logged(fields)
    assert any('this is what went wrong' in json.dumps(line) for line in lines), 'the error is not logged'
    assert all(line['dag_id'] == 'own' for line in lines)


def test_the_usual_fields_are_as_before():
    line = logged(['levelname', 'message', 'lineno'])[0]
    assert line['levelname'] == 'ERROR' and isinstance(line['lineno'], int)
    assert 'this is what went wrong' in line['message']
