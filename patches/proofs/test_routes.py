"""Every route of the web interfaces and APIs asks for the rights, and answers, as routes/VERSION.tsv says."""
import difflib
import os

import pytest
import ui
from airflow.version import version

import routes

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'routes', version.split('+')[0] + '.tsv')
NOWHERE = '-'


def stated():
    """The lines of the table: interface, method, rule, and our rights and status."""
    with open(TABLE) as file:
        heads, *rows = [line.rstrip('\n').split('\t') for line in file]
    rows = [dict(zip(heads, row)) for row in rows]
    wanted = 'interface', 'method', 'rule', 'rights ours', 'status ours'
    return [tuple(row[head] for head in wanted) for row in rows if row['status ours'] != NOWHERE]


@pytest.fixture(name='found', scope='module')
def fixture_found():
    return [tuple(row) for row in routes.walk_all()]


INTERFACES = sorted({line[0] for line in stated()})


@pytest.mark.parametrize('interface', INTERFACES)
def test_each_route_is_as_its_row_says(found, interface):
    said, seen = ([' '.join(map(repr, row)) for row in rows if row[0] == interface] for rows in (stated(), found))

    differences = [line for line in difflib.ndiff(sorted(said), sorted(seen)) if line[:1] in '+-']

    assert not differences, 'stated (-) is not what is found (+):\n' + '\n'.join(differences)


def test_there_is_no_interface_without_rows(found):
    assert {row[0] for row in found} == set(INTERFACES)
    assert len(found) > 100


CHANGE = [
    # Where the address says what is to be done, a GET does it, and what is answered as GET is, too. No browser sends it
    # for a stranger: it is answered only to who sends a password with it, if at all.
    '/api/experimental/dags/<string:dag_id>/paused/<string:paused>',
    # It begins a session, for which the classic interface makes its only user where there is none.
    '/admin/airflow/login',
]


@pytest.mark.parametrize('name', ui.UIS)
def test_neither_head_nor_options_changes_anything(name):
    found = [' '.join(map(str, change)) for change in routes.changes(name) if change[1] not in CHANGE]

    assert not found, 'a page of a stranger changes what the victim may change:\n' + '\n'.join(found)


def test_but_another_method_does():
    """What would be seen if they did."""
    found = routes.changes(ui.RBAC, methods=['POST'])

    assert ('POST', '/variable/delete/<pk>', ['variable']) in found, found
