"""apache/airflow#16088: the connection to the database may be kept in a secrets backend."""
import os
import subprocess
import sys

BACKEND = """
KEPT = {kept!r}

class Backend:
    def get_config(self, key):
        return KEPT.get(key)
"""
DATABASE = 'sqlite:////kept.db'
SAYS = """
from airflow.configuration import conf
print(conf.get("core", "executor"), conf.get("core", "sql_alchemy_conn"))
"""


def started(folder, kept, **env):
    """What Airflow ends with that is started where a backend keeps something: its status and what it says."""
    (folder / 'kept_here.py').write_text(BACKEND.format(kept=kept))
    clean = {name: value for name, value in os.environ.items() if not name.startswith('AIRFLOW_')}
    path = os.pathsep.join([str(folder)] + [entry for entry in sys.path if entry])
    ours = {'AIRFLOW_HOME': str(folder), 'AIRFLOW__SECRETS__BACKEND': 'kept_here.Backend', 'PYTHONPATH': path}
    done = subprocess.run(
        [sys.executable, '-c', SAYS],
        cwd=str(folder),
        env=dict(clean, **ours, **env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        timeout=120,
    )
    return done.returncode, done.stdout.strip().splitlines()[-1:], done.stderr


def test_the_connection_to_the_database_is_read_from_there(tmp_path):
    status, said, error = started(tmp_path, {'here': DATABASE}, AIRFLOW__CORE__SQL_ALCHEMY_CONN_SECRET='here')
    assert status == 0, error
    assert said == ['SequentialExecutor %s' % DATABASE]


def test_what_cannot_work_together_is_refused_still(tmp_path):
    env = {'AIRFLOW__CORE__SQL_ALCHEMY_CONN_SECRET': 'here', 'AIRFLOW__CORE__EXECUTOR': 'LocalExecutor'}
    status, _, error = started(tmp_path, {'here': DATABASE}, **env)
    assert status != 0
    assert 'cannot use sqlite with the LocalExecutor' in error
