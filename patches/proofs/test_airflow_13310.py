"""apache/airflow#13310: a log that is stored as JSON is shown in the form that is configured for logs."""
import datetime
import logging
import sys
import types

import pytest

FORM = '[%(asctime)s] {%(filename)s:%(lineno)d} %(levelname)s - %(message)s'
STORED = {'asctime': '2021-06-02 00:00:01', 'filename': 'own.py', 'lineno': 7, 'levelname': 'INFO', 'message': 'hello'}
SHOWN = '[2021-06-02 00:00:01] {own.py:7} INFO - hello'


class Line:
    """What Elasticsearch has of a line."""

    def __init__(self, offset, **fields):
        self.offset = offset
        self._fields = fields
        self.message = fields['message']

    def to_dict(self):
        return dict(self._fields, offset=self.offset)


@pytest.fixture(name='shown')
def fixture_shown(monkeypatch):
    """The text of a log of such lines, as the website has it."""
    for name, attribute in (('elasticsearch', 'Elasticsearch'), ('elasticsearch_dsl', 'Search')):
        library = types.ModuleType(name)
        setattr(library, attribute, lambda *args, **kwargs: None)
        monkeypatch.setitem(sys.modules, name, library)
    from airflow.utils.log import es_task_handler

    def shown(*lines, json=True, form=FORM, fields='asctime, filename, lineno, levelname, message'):
        log_id = '{dag_id}-{task_id}-{execution_date}-{try_number}'
        handler = es_task_handler.ElasticsearchTaskHandler('/tmp', log_id, log_id, 'end_of_log\n', False, json, fields)
        handler.setFormatter(logging.Formatter(form))
        found = [Line(1 + place, **fields) for place, fields in enumerate(lines)]
        monkeypatch.setattr(handler, 'es_read', lambda log_id, offset, metadata: found)
        day = datetime.datetime(2021, 6, 2, tzinfo=datetime.timezone.utc)
        ti = types.SimpleNamespace(dag_id='own', task_id='task', execution_date=day, try_number=1)
        (text,), _ = handler.read(ti, 1, metadata={'offset': 0})
        return text.split('\n')

    return shown


def test_a_line_has_the_form_that_is_configured(shown):
    assert shown(STORED, dict(STORED, message='more')) == [SHOWN, SHOWN.replace('hello', 'more')], 'time and level are not shown'


def test_the_end_of_a_log_is_not_shown(shown):
    assert shown(STORED, dict(STORED, message='end_of_log'))[0] in (SHOWN, 'hello')
    assert len(shown(STORED, dict(STORED, message='end_of_log'))) == 1


def test_a_field_that_was_not_stored_leaves_the_message(shown):
    assert shown({'message': 'hello'}) == ['hello']
    assert shown(STORED, form='%(process)d %(message)s') == ['hello']
    assert shown(dict(STORED, lineno='seven')) == ['hello']


def test_a_message_is_no_format(shown):
    assert shown(dict(STORED, message='100 %(done)s %d'))[0].endswith('100 %(done)s %d')


def test_logs_that_are_text_are_as_ever(shown):
    assert shown(STORED, json=False) == ['hello']
