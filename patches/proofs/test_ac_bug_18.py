"""AC-BUG-18: a log that is longer than what is read at once can be downloaded from Elasticsearch."""
import datetime
import sys
import types

import pytest


class Search:
    """The log of a task in Elasticsearch, line by line; Airflow asks for those that begin after another."""

    lines = []

    def __init__(self, using):
        self.found = list(self.lines)

    def query(self, kind, **values):
        return self

    def sort(self, field):
        return self

    def filter(self, kind, offset):
        self.found = [line for line in self.found if line.offset > offset['gt']]
        return self

    def count(self):
        return len(self.found)

    def __getitem__(self, index):
        found = self.found[index] if isinstance(index, slice) else [self.found[index]]
        return types.SimpleNamespace(execute=lambda: found)


@pytest.fixture(name='handler')
def fixture_handler(monkeypatch):
    for name, attribute in (('elasticsearch', 'Elasticsearch'), ('elasticsearch_dsl', 'Search')):
        library = types.ModuleType(name)
        setattr(library, attribute, lambda *args, **kwargs: None)
        monkeypatch.setitem(sys.modules, name, library)
    from airflow.utils.log import es_task_handler

    class Handler(es_task_handler.ElasticsearchTaskHandler):
        MAX_LINE_PER_PAGE = 2

    monkeypatch.setattr(es_task_handler, 'Search', Search)
    log_id = '{dag_id}-{task_id}-{execution_date}-{try_number}'
    return Handler('/tmp', log_id, log_id, 'end_of_log\n', False, False, '')


def downloaded(handler, lines):
    """What somebody gets who downloads a log with these lines, as the webserver reads it; the error in which it ends."""
    Search.lines = [types.SimpleNamespace(message=line, offset=1 + place) for place, line in enumerate(lines)]
    day = datetime.datetime(2021, 6, 2, tzinfo=datetime.timezone.utc)
    ti = types.SimpleNamespace(dag_id='own', task_id='task', execution_date=day, try_number=1)
    metadata, got = {'download_logs': True}, []
    try:
        while not metadata.get('end_of_log'):
            assert len(got) < 100
            (text,), (metadata,) = handler.read(ti, 1, metadata=metadata)
            got += text.split('\n') if text else []
    except TypeError as error:
        return error
    return got


@pytest.mark.parametrize('count', [3, 4, 25])
def test_a_long_log_is_downloaded(handler, count):
    lines = ['line {}'.format(number) for number in range(count)]
    assert downloaded(handler, lines + ['end_of_log']) == lines, 'the download ends in an error'


def test_the_log_of_a_task_that_runs_is_downloaded_as_far_as_it_goes(handler):
    assert downloaded(handler, ['a', 'b', 'c']) == ['a', 'b', 'c'], 'the download ends in an error'


def test_a_short_log_is_downloaded(handler):
    assert downloaded(handler, ['a', 'end_of_log']) == ['a']
