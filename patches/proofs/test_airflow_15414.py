"""apache/airflow#15414: logs in JSON have the traceback of an error."""
import json
import logging

import pytest


def logged(*fields):
    """What stands in a log of an error that has these fields."""
    from airflow.utils.log.json_formatter import JSONFormatter

    formatter = JSONFormatter(json_fields=list(fields), extras={'dag_id': 'own'})
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(json.loads(formatter.format(record)))
    log = logging.getLogger('a log of the proof')
    log.handlers, log.propagate = [handler], False
    try:
        raise ValueError('of the task')
    except ValueError:
        log.exception('It failed: %s', 'why')
    log.error('a line')
    return lines


def test_an_error_has_its_traceback():
    message = logged('message')[0]['message']
    assert message.startswith('It failed: why\n')
    assert 'ValueError: of the task' in message, 'nobody can see where the error came from'
    assert 'line ' in message


def test_what_is_no_error_is_logged_as_ever():
    assert logged('message', 'levelname')[1] == {'message': 'a line', 'levelname': 'ERROR', 'dag_id': 'own'}


@pytest.mark.parametrize('fields', [(), ('levelname',)])
def test_who_wants_no_message_gets_none(fields):
    assert [set(line) for line in logged(*fields)] == [{'dag_id', *fields}] * 2
