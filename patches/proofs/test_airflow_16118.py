"""apache/airflow#16118 and others: a task can log what it likes, and what holds no secret is logged as it is."""
import logging

import pytest

SECRET = 'hunter2-of-the-connection'


class Odd:
    """Nobody can say what it is."""

    def __iter__(self):
        raise ValueError('not to be iterated over')

    def __str__(self):
        return 'odd'


def masker():
    from airflow.utils.log.secrets_masker import SecretsMasker

    found = SecretsMasker()
    found.add_mask(SECRET)
    return found


def logged(value, with_error=False, mask=None):
    """The line that a task gets who logs a value; or the error with which it ends."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    handler.addFilter(mask or masker())
    log = logging.getLogger('a log of the proof')
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    try:
        (log.exception if with_error else log.info)('%s', value)
    except Exception as error:  # pylint: disable=broad-except
        return error
    return lines[0]


def endless():
    within = {}
    within['self'] = within
    return within


VALUES = {
    '16118: what cannot be iterated over': (Odd(), 'odd'),
    '16601: keys that are no text': ({1: 'one', None: 'none', ('a',): 'tuple'}, "{1: 'one', None: 'none', ('a',): 'tuple'}"),
    '16424: a set': ({'one'}, "{'one'}"),
    '16491: what holds itself': (endless(), "{'self': {...}}"),
}


@pytest.mark.parametrize('value, line', list(VALUES.values()), ids=list(VALUES))
def test_a_value_is_logged_as_it_is(value, line):
    assert logged(value) == line


def test_an_iterator_is_not_used_up():
    numbers = iter([1, 2])
    logged(numbers)
    assert list(numbers) == [1, 2], '16424'


def test_an_error_can_be_logged_where_there_is_none():
    assert logged('a line', with_error=True) == 'a line', '16047'


def test_an_empty_secret_is_none():
    found = masker()
    found.add_mask('')
    assert logged('a line', mask=found) == 'a line', '16057'


def test_secrets_are_masked_all_the_same():
    assert logged({1: 'x ' + SECRET, 'list': [SECRET]}) == "{1: 'x ***', 'list': ['***']}"
