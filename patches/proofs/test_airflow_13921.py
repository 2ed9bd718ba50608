"""apache/airflow#13921: the migration that drops the tables of users and charts runs on every database of 1.10."""
import importlib
import io

import pytest
import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations

MIGRATION = 'airflow.migrations.versions.cf5dc11e79ad_drop_user_and_chart'
TABLES = """
CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, username VARCHAR(250));
CREATE TABLE known_event_type (id INTEGER NOT NULL PRIMARY KEY, know_event_type VARCHAR(200));
CREATE TABLE chart (id INTEGER NOT NULL PRIMARY KEY, user_id INTEGER, FOREIGN KEY(user_id) REFERENCES users (id));
CREATE TABLE known_event (
    id INTEGER NOT NULL PRIMARY KEY, label VARCHAR(200), user_id INTEGER, known_event_type_id INTEGER,
    FOREIGN KEY(known_event_type_id) REFERENCES known_event_type (id),
    {name} FOREIGN KEY(user_id) REFERENCES users (id)
);
INSERT INTO users VALUES (1, 'one');
INSERT INTO known_event_type VALUES (2, 'holiday');
INSERT INTO known_event VALUES (3, 'christmas', 1, 2);
"""


def upgraded(context):
    """Runs the migration as `airflow db upgrade` does."""
    with Operations.context(context):
        try:
            importlib.import_module(MIGRATION).upgrade()
        except Exception as error:  # pylint: disable=broad-except
            pytest.fail('the upgrade ends: %r' % error)


@pytest.mark.parametrize('name', ['', 'CONSTRAINT known_event_user_id_fkey'], ids=['no name', 'named'])
def test_on_sqlite(tmp_path, name):
    engine = sqlalchemy.create_engine('sqlite:///%s' % (tmp_path / 'airflow.db'))
    with engine.connect() as connection:
        # Airflow says so for each connection.
        connection.execute('PRAGMA foreign_keys=ON')
        for statement in TABLES.format(name=name).split(';'):
            if statement.strip():
                connection.execute(statement)
        upgraded(MigrationContext.configure(connection))

        inspector = sqlalchemy.inspect(connection)
        assert {'known_event', 'known_event_type'} == set(inspector.get_table_names())
        assert [key['referred_table'] for key in inspector.get_foreign_keys('known_event')] == ['known_event_type']
        assert connection.execute('SELECT * FROM known_event').fetchall() == [(3, 'christmas', 1, 2)]


class Described:
    """Says of a database what somebody saw there."""

    def __init__(self, key):
        self.key = key

    def from_engine(self, connection):
        return self

    def get_table_names(self):
        return ['chart', 'known_event', 'known_event_type', 'users']

    def get_foreign_keys(self, table_name, **kwargs):
        assert table_name == 'known_event'
        other = dict(name='%s_2' % self.key, referred_table='known_event_type', constrained_columns=['type_id'])
        return [other, dict(name=self.key, referred_table='users', constrained_columns=['user_id'])]


@pytest.mark.parametrize(
    'dialect, key, statement',
    [
        ('mysql', 'known_event_ibfk_1', 'ALTER TABLE known_event DROP FOREIGN KEY known_event_ibfk_1'),
        ('postgresql', 'known_event_user_id_fkey', 'ALTER TABLE known_event DROP CONSTRAINT known_event_user_id_fkey'),
    ],
)
def test_on_a_server(monkeypatch, dialect, key, statement):
    monkeypatch.setattr(importlib.import_module(MIGRATION), 'Inspector', Described(key))
    said = io.StringIO()
    upgraded(MigrationContext.configure(dialect_name=dialect, opts={'as_sql': True, 'output_buffer': said}))
    assert [line.strip(' ;') for line in said.getvalue().splitlines() if line.strip(' ;')] == [
        statement,
        'DROP TABLE chart',
        'DROP TABLE users',
    ]
