"""A throw-away Airflow for the proofs: fresh AIRFLOW_HOME and sqlite database, gone when pytest ends."""
import os
import shutil
import tempfile

import pytest

AIRFLOW_HOME = os.path.realpath(tempfile.mkdtemp(prefix='airflow-proof-'))

# Airflow reads all of this while it is imported, hence not in a fixture. Settings of the machine that
# runs the proofs must not decide their outcome, nor may the proofs touch its database.
for name in [name for name in os.environ if name.startswith(('AIRFLOW__', 'AIRFLOW_CONFIG'))]:
    del os.environ[name]
os.environ.update(
    {
        'AIRFLOW_HOME': AIRFLOW_HOME,
        'AIRFLOW__CORE__DAGS_FOLDER': os.path.join(AIRFLOW_HOME, 'dags'),
        'AIRFLOW__CORE__PLUGINS_FOLDER': os.path.join(AIRFLOW_HOME, 'plugins'),
        'AIRFLOW__CORE__SQL_ALCHEMY_CONN': 'sqlite:///' + os.path.join(AIRFLOW_HOME, 'airflow.db'),
        'AIRFLOW__CORE__EXECUTOR': 'SequentialExecutor',
        'AIRFLOW__CORE__UNIT_TEST_MODE': 'False',
        'AIRFLOW__CORE__LOAD_EXAMPLES': 'False',
        'AIRFLOW__CORE__LOAD_DEFAULT_CONNECTIONS': 'False',
        # The default of 2.x, but not of 1.10: params are what a user can change by triggering a DAG.
        'AIRFLOW__CORE__DAG_RUN_CONF_OVERRIDES_PARAMS': 'True',
        'AIRFLOW__WEBSERVER__SECRET_KEY': 'a key that only the proofs use',
        # Requests between reader and log server stay on this machine.
        'no_proxy': '127.0.0.1',
        'NO_PROXY': '127.0.0.1',
    }
)


def pytest_unconfigure():
    """Leaves nothing behind, not even after a failed collection."""
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(scope='session', autouse=True)
def airflow_db():
    """The database exists, as after `airflow db init`."""
    from airflow.utils.db import initdb

    initdb()
