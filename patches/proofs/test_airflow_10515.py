"""apache/airflow#10515: logs in JSON tell the time, where it is asked for."""
import json
import logging

import pytest


def logged(*fields):
    """A line of a log with these fields."""
    from airflow.utils.log.json_formatter import JSONFormatter

    record = logging.LogRecord('a log', logging.INFO, __file__, 1, 'a line', (), None)
    return json.loads(JSONFormatter(json_fields=list(fields)).format(record))


@pytest.mark.parametrize('fields', [('asctime', 'message'), ('asctime',)])
def test_a_line_has_its_time(fields):
    assert logged(*fields)['asctime'], 'nobody knows when it was'


def test_a_line_has_no_field_that_is_not_asked_for():
    assert logged('message') == {'message': 'a line'}
