"""apache/airflow#13783: connections of the same id are found before an upgrade, also where a database is strict."""
import re

import pytest


@pytest.fixture(name='session')
def fixture_session(tmp_path):
    """A session of a database from before the upgrade, which refuses to select what is not grouped by."""
    import sqlalchemy
    import sqlalchemy.exc
    from airflow.models import Connection
    from sqlalchemy.orm import sessionmaker

    engine = sqlalchemy.create_engine('sqlite:///{}'.format(tmp_path / 'own.db'))
    columns = ', '.join('"{}" TEXT'.format(column.name) for column in Connection.__table__.columns)
    engine.execute('CREATE TABLE connection ({})'.format(columns))

    @sqlalchemy.event.listens_for(engine, 'before_cursor_execute')
    def refuse(connection, cursor, statement, parameters, context, executemany):
        found = re.match(r'SELECT (.*?)\s+FROM .* GROUP BY (.*?)\s+HAVING', statement, re.DOTALL)
        for column in found.group(1).split(', ') if found else []:
            name = column.split(' AS ')[0]
            if 'count(' not in name and name not in found.group(2).split(', '):
                raise sqlalchemy.exc.ProgrammingError(statement, parameters, name + ' must appear in the GROUP BY clause')

    return sessionmaker(bind=engine)()


def said(session, *ids):
    from airflow.utils.db import check_conn_id_duplicates

    for number, conn_id in enumerate(ids):
        session.execute("INSERT INTO connection (id, conn_id) VALUES ('{}', '{}')".format(number, conn_id))
    return check_conn_id_duplicates(session)


def test_ids_of_more_than_one_connection_are_named(session):
    answer = said(session, 'own', 'other', 'own')
    assert "['own']" in answer, 'nobody is told, and the upgrade fails'


def test_nothing_is_said_where_each_id_is_of_one_connection(session):
    assert said(session, 'own', 'other') == ''
