"""CVE-2020-13927: nobody uses the experimental API without logging in, unless a deployment chose that."""
import json
import os
import subprocess
import sys

import pytest

# A process of its own for each configuration: the backend is chosen while the views are imported.
ASK = '''
import json, logging, sys
from airflow.models import DagBag
rbac = sys.argv[1] == 'True'
if rbac:
    from airflow.www_rbac.app import create_app
    app, _ = create_app(testing=True)
else:
    from airflow.www.app import create_app
    app = create_app(testing=True)
client = app.test_client()
answers = {}
for name, call, path, body in [
    ('test', client.get, '/api/experimental/test', None),
    ('trigger', client.post, '/api/experimental/dags/example_bash_operator/dag_runs', '{}'),
    ('pools', client.get, '/api/experimental/pools', None),
    ('health', client.get, '/health', None),
]:
    arguments = {'data': body, 'content_type': 'application/json'} if body else {}
    answers[name] = call(path, **arguments).status_code
print('answers:' + json.dumps(answers))
'''
COUNT = '''
from airflow.models import DagRun
from airflow.settings import Session
print('runs:%d' % Session().query(DagRun).count())
'''


@pytest.fixture(name='env')
def fixture_env(tmp_path):
    env = dict(
        os.environ,
        HOME=str(tmp_path),
        AIRFLOW_HOME=str(tmp_path),
        AIRFLOW__CORE__SQL_ALCHEMY_CONN='sqlite:///{}'.format(tmp_path / 'airflow.db'),
        AIRFLOW__CORE__LOAD_EXAMPLES='True',
        # Both interfaces work with the tables that this one needs.
        AIRFLOW__WEBSERVER__RBAC='True',
    )
    airflow = os.path.join(os.path.dirname(sys.executable), 'airflow')
    subprocess.check_output([airflow, 'initdb'], env=env, stderr=subprocess.STDOUT)
    return env


@pytest.fixture(name='ask', params=[False, True], ids=['old interface', 'RBAC interface'])
def fixture_ask(request, env):
    def ask(**more):
        done = subprocess.Popen(
            [sys.executable, '-c', ASK, str(request.param)],
            env=dict(env, AIRFLOW__WEBSERVER__RBAC=str(request.param), **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        )
        output = done.communicate()[0]
        assert done.returncode == 0, output
        return json.loads(output.rpartition('answers:')[2]), output

    return ask


def runs(env):
    output = subprocess.check_output([sys.executable, '-c', COUNT], env=env, universal_newlines=True)
    return int(output.rpartition('runs:')[2])


def test_nobody_uses_the_api_of_a_new_deployment_without_logging_in(ask, env):
    answers, _ = ask()

    assert answers['trigger'] == 403, 'anybody may trigger a DAG'
    assert answers['test'] == 403
    assert answers['pools'] == 403
    assert runs(env) == 0


def test_the_rest_of_the_webserver_still_answers(ask):
    assert ask()[0]['health'] == 200


def test_a_deployment_that_chose_the_open_api_keeps_it_and_is_warned(ask, env):
    answers, output = ask(AIRFLOW__API__AUTH_BACKEND='airflow.api.auth.backend.default')

    assert answers['trigger'] == 200
    assert runs(env) == 1
    assert 'auth_backend' in output, 'nothing warns of a configuration from before'
