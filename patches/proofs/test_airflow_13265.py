"""apache/airflow#13265: a task that is a fork of a Celery worker does not use the worker's connection to the database."""
import types

import pytest


@pytest.fixture(name='engine')
def fixture_engine(tmp_path, monkeypatch):
    """Keeps a connection for the next who asks, as for every database but SQLite; that one has a mark of its own."""
    import sqlalchemy
    from airflow import settings
    from sqlalchemy.pool import QueuePool

    engine = sqlalchemy.create_engine('sqlite:///{}'.format(tmp_path / 'own.db'), poolclass=QueuePool)
    monkeypatch.setattr(settings, 'engine', engine)
    engine.execute('CREATE TEMP TABLE mark (number INTEGER)').close()
    return engine


def is_marked(engine):
    import sqlalchemy.exc

    try:
        engine.execute('SELECT * FROM mark').close()
    except sqlalchemy.exc.OperationalError:
        return False
    return True


def test_a_fork_has_a_connection_of_its_own(engine, tmp_path, monkeypatch):
    pytest.importorskip('celery')
    from airflow.executors import celery_executor

    said = tmp_path / 'said'
    args = types.SimpleNamespace(func=lambda args: said.write_text(str(is_marked(engine))))
    parser = types.SimpleNamespace(parse_args=lambda words: args)
    monkeypatch.setattr('airflow.cli.cli_parser.get_parser', lambda: parser)

    celery_executor._execute_in_fork(['airflow', 'tasks', 'run'])

    assert said.read_text() == 'False', 'the task uses the connection of the worker'
    assert is_marked(engine), 'the worker has lost its connection'
