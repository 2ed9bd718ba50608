"""AC-BUG-18: a log from Elasticsearch is downloaded to its end, also when it is longer than one read."""
import importlib.util
import sys
import types

import pytest

for library in ('elasticsearch', 'elasticsearch_dsl'):
    if importlib.util.find_spec(library) is None:
        sys.modules[library] = types.ModuleType(library)
        sys.modules[library].Elasticsearch = sys.modules[library].Search = lambda *args, **kwargs: None


class Line:
    def __init__(self, number):
        self.offset, self.message = number, 'line {}'.format(number)


def handler_of(lines, page):
    """A handler whose Elasticsearch has so many lines, and gives so many for each read."""
    from airflow.utils.log.es_task_handler import ElasticsearchTaskHandler

    class Handler(ElasticsearchTaskHandler):
        def es_read(self, log_id, offset, metadata):
            found = [Line(number) for number in range(1, lines + 1) if number > int(offset)]
            if metadata.get('download_logs') and 'max_offset' not in metadata:
                metadata['max_offset'] = lines
            return found[:page]

        def _render_log_id(self, ti, try_number):
            return 'own-task'

    return Handler('/nowhere', '{try_number}.log', '{dag_id}', 'end_of_log', False, False, 'message')


def downloaded(lines, page):
    """What a user gets who downloads a log, as the website does it."""
    handler, metadata, got = handler_of(lines, page), {'download_logs': True}, []
    for _ in range(20):
        try:
            text, metadata = handler._read(None, 1, metadata)
        except TypeError as error:
            return 'an error: {!r}'.format(error)
        got.append(text)
        if metadata['end_of_log']:
            return '\n'.join(got).split('\n')
    return 'no end'


@pytest.mark.parametrize('page', [1, 2, 3])
def test_a_log_that_is_longer_than_one_read_is_downloaded(page):
    got = downloaded(5, page)
    assert isinstance(got, list), 'the download ends in ' + got
    assert got[:5] == ['line {}'.format(number) for number in range(1, 6)]


def test_a_log_is_shown_as_it_grows():
    handler = handler_of(5, 2)
    text, metadata = handler._read(None, 1, {})
    assert text == 'line 1\nline 2' and metadata['offset'] == '2' and not metadata['end_of_log']
    text, metadata = handler._read(None, 1, metadata)
    assert text == 'line 3\nline 4' and metadata['offset'] == '4' and not metadata['end_of_log']
