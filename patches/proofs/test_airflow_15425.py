"""apache/airflow#15425: connections are imported from a file, such as one to which they were exported."""
import json

import pytest

OWN = {'conn_type': 'mysql', 'host': 'here', 'login': 'me', 'schema': 'data', 'port': 3306, 'description': 'mine'}


def run(*words):
    """Runs `airflow connections WORDS`; the error in which it ends."""
    from airflow.cli.cli_parser import get_parser

    args = get_parser().parse_args(['connections'] + [str(word) for word in words])
    try:
        args.func(args)
    except Exception as error:  # pylint: disable=broad-except
        return error
    return None


@pytest.fixture(autouse=True)
def fixture_none():
    forget()


def forget():
    from airflow.models import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.query(Connection).delete()


def stored():
    from airflow.models import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(Connection).order_by(Connection.conn_id).all()
        return {conn.conn_id: {name: getattr(conn, name) for name in list(OWN) + ['extra_dejson']} for conn in found}


def test_connections_are_imported(tmp_path):
    file = tmp_path / 'connections.json'
    file.write_text(json.dumps({'own': dict(OWN, extra_dejson={'a': 'b'}), 'other': 'mysql://me@here:3306/data'}))
    assert run('import', file) is None, 'the import ends in an error'
    found = stored()
    assert found['own'] == dict(OWN, extra_dejson={'a': 'b'})
    assert found['other'] == dict(OWN, description=None, extra_dejson={})


@pytest.mark.parametrize('name', ['connections.json', 'connections.yaml', 'connections.env'])
def test_what_was_exported_is_imported(tmp_path, name):
    file = tmp_path / name
    assert run('add', 'own', '--conn-uri', 'mysql://me@here:3306/data') is None
    before = stored()
    assert run('export', file) is None
    forget()
    assert run('import', file) is None, 'the import ends in an error'
    assert stored() == before


def test_a_connection_that_is_there_stays_as_it_is(tmp_path):
    file = tmp_path / 'connections.json'
    file.write_text(json.dumps({'own': {'conn_type': 'mysql', 'host': 'elsewhere'}}))
    assert run('add', 'own', '--conn-uri', 'mysql://here') is None
    assert run('import', file) is None
    assert stored()['own']['host'] == 'here'
