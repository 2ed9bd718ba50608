"""A throw-away Airflow for the proofs: fresh AIRFLOW_HOME and sqlite database, gone when they end.

`certified prove` runs them in forks of a process that has called `prepare`. By hand: python -m pytest test_x.py
"""
import os
import shutil
import sys
import tempfile

import pytest

# In a fork, all of this was done in the process that it is one of.
PREPARED = 'PROOF_PREPARED' in os.environ
# Where who runs the proofs keeps databases that `initdb` has made, by the settings that were in force: seconds each.
DATABASES = os.environ.get('PROOF_DATABASES')
# A folder that who runs the proofs removes; by hand there is none.
GIVEN = os.environ.get('PROOF_HOME')
AIRFLOW_HOME = GIVEN or os.path.realpath(tempfile.mkdtemp(prefix='airflow-proof-'))
DATABASE = os.path.join(AIRFLOW_HOME, 'airflow.db')

# Airflow reads all of this while it is imported, hence not in a fixture. Settings of the machine that
# runs the proofs must not decide their outcome, nor may the proofs touch its database.
for name in [name for name in os.environ if name.startswith(('AIRFLOW__', 'AIRFLOW_CONFIG')) and not PREPARED]:
    del os.environ[name]
SETTINGS = {
    'AIRFLOW_HOME': AIRFLOW_HOME,
    'AIRFLOW__CORE__DAGS_FOLDER': os.path.join(AIRFLOW_HOME, 'dags'),
    'AIRFLOW__CORE__PLUGINS_FOLDER': os.path.join(AIRFLOW_HOME, 'plugins'),
    'AIRFLOW__CORE__SQL_ALCHEMY_CONN': 'sqlite:///' + DATABASE,
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
if not PREPARED:
    os.environ.update(SETTINGS)


def prepare(kind):
    """What proofs of a kind share is there: the database and, for `ui`, the web applications and their users."""
    if kind == 'ui':
        import ui
    make_database()
    import airflow.models  # noqa: F401  each fork has it then, also where the database was kept

    if kind == 'ui':
        for name in ui.UIS:
            ui.app_of(name)
        ui.let_go()
    os.environ['PROOF_PREPARED'] = kind


def make_database():
    """The database exists, as after `airflow db init`."""
    if os.path.exists(DATABASE):
        return
    os.makedirs(AIRFLOW_HOME, exist_ok=True)
    # 1.10 makes other tables where its interface with roles is on, as it is for all that import `ui`.
    kept = DATABASES and os.path.join(DATABASES, 'ui.db' if 'ui' in sys.modules else 'plain.db')
    if kept and os.path.exists(kept):
        shutil.copy(kept, DATABASE)
        return
    from airflow.utils.db import initdb

    initdb()
    if kept:
        os.makedirs(DATABASES, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=DATABASES)
        os.close(handle)
        shutil.copy(DATABASE, beside)
        os.replace(beside, kept)


def pytest_configure(config):
    config.addinivalue_line('markers', 'fresh_process: it decides what Airflow reads when it is imported, or its app made')


def pytest_unconfigure():
    """Leaves nothing behind, not even after a failed collection."""
    if not GIVEN:
        shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(scope='session', autouse=True)
def airflow_db():
    """The database exists, as after `airflow db init`."""
    make_database()
