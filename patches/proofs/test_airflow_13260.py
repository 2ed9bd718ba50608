"""apache/airflow#13260: Airflow starts when the connection to its database is a secret of a custom backend."""
import os
import subprocess
import sys

BACKEND = '''
from airflow.secrets import BaseSecretsBackend


class Vault(BaseSecretsBackend):
    def __init__(self, prefix=''):
        self.prefix = prefix

    def get_config(self, key):
        return {'here/conn': 'sqlite:////tmp/of-the-vault.db'}.get(self.prefix + key)
'''
ASK = 'from airflow.configuration import conf; print(conf.get("core", "sql_alchemy_conn"), conf.is_validated)'


def asked(folder, config, **environment):
    """What a process says that is asked for the connection to the database, and its errors."""
    (folder / 'vault_of_the_proof.py').write_text(BACKEND)
    (folder / 'airflow.cfg').write_text(config)
    environment = dict(os.environ, AIRFLOW_CONFIG=str(folder / 'airflow.cfg'), PYTHONPATH=str(folder), **environment)
    for name in ('AIRFLOW__CORE__SQL_ALCHEMY_CONN', 'PROOF_PREPARED'):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', ASK],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=120,
    )
    return done.stdout.decode(), done.stderr.decode()


SECRET = '''
[core]
sql_alchemy_conn_secret = conn
[secrets]
backend = vault_of_the_proof.Vault
backend_kwargs = {"prefix": "here/"}
'''


def test_airflow_starts_with_a_connection_that_is_a_secret(tmp_path):
    out, errors = asked(tmp_path, SECRET)
    assert 'sqlite:////tmp/of-the-vault.db True' in out, 'Airflow does not start: ' + errors[-200:]


def test_settings_that_do_not_go_together_are_refused(tmp_path):
    config = '[core]\nsql_alchemy_conn = sqlite:////tmp/a.db\n'
    out, errors = asked(tmp_path, config, AIRFLOW__CORE__EXECUTOR='LocalExecutor')
    assert not out and 'cannot use sqlite with the LocalExecutor' in errors


def test_so_they_are_where_the_connection_is_a_secret(tmp_path):
    out, errors = asked(tmp_path, SECRET, AIRFLOW__CORE__EXECUTOR='LocalExecutor')
    assert not out and 'cannot use sqlite with the LocalExecutor' in errors


def test_airflow_starts_with_a_connection_of_the_file(tmp_path):
    out, _ = asked(tmp_path, '[core]\nsql_alchemy_conn = sqlite:////tmp/a.db\n')
    assert 'sqlite:////tmp/a.db True' in out


def test_an_old_value_is_replaced(tmp_path):
    ask = 'from airflow.configuration import conf; print(conf.get("core", "hostname_callable"))'
    (tmp_path / 'airflow.cfg').write_text('[core]\nhostname_callable = socket:getfqdn\n')
    environment = dict(os.environ, AIRFLOW_CONFIG=str(tmp_path / 'airflow.cfg'))
    out = subprocess.check_output([sys.executable, '-W', 'ignore', '-c', ask], env=environment)
    assert b'socket.getfqdn' in out
