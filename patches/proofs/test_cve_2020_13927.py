"""CVE-2020-13927: nobody uses the experimental API without logging in, unless a deployment chose that."""
import json
import os
import shutil
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
for rule in app.url_map.iter_rules() if sys.argv[2] == 'every' else []:
    if rule.rule.startswith('/api/experimental'):
        path = rule.rule
        for name in rule.arguments:
            converter = next(word for word in ('<string:', '<path:', '<') if word + name + '>' in path)
            path = path.replace(converter + name + '>', {'execution_date': '2021-01-01T00:00:00+00:00'}.get(name, 'x'))
        for method in sorted(rule.methods - {'HEAD', 'OPTIONS'}):
            call = getattr(client, method.lower())
            body = {} if method == 'GET' else {'data': '{}', 'content_type': 'application/json'}
            answers[method + ' ' + rule.rule] = call(path, **body).status_code
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


def environment(home):
    return dict(
        os.environ,
        HOME=str(home),
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__SQL_ALCHEMY_CONN='sqlite:///{}'.format(home / 'airflow.db'),
        AIRFLOW__CORE__LOAD_EXAMPLES='True',
        # Both interfaces work with the tables that this one needs.
        AIRFLOW__WEBSERVER__RBAC='True',
    )


@pytest.fixture(name='database', scope='module')
def fixture_database(tmp_path_factory):
    """The database of a new deployment with the example DAGs."""
    home = tmp_path_factory.mktemp('deployment')
    airflow = os.path.join(os.path.dirname(sys.executable), 'airflow')
    subprocess.check_output([airflow, 'initdb'], env=environment(home), stderr=subprocess.STDOUT)
    return home / 'airflow.db'


@pytest.fixture(name='env')
def fixture_env(database, tmp_path):
    shutil.copy(str(database), str(tmp_path))
    return environment(tmp_path)


@pytest.fixture(name='ask', params=[False, True], ids=['old interface', 'RBAC interface'])
def fixture_ask(request, env):
    def ask(routes='some', **more):
        done = subprocess.Popen(
            [sys.executable, '-c', ASK, str(request.param), routes],
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
    answers, _ = ask('every')

    assert answers['trigger'] == 403, 'anybody may trigger a DAG'
    assert answers['test'] == 403
    assert answers['pools'] == 403
    assert runs(env) == 0
    every = {name: status for name, status in answers.items() if '/api/experimental' in name}
    assert len(every) > 10
    assert set(every.values()) == {403}, every


def test_the_rest_of_the_webserver_still_answers(ask):
    assert ask()[0]['health'] == 200


def test_a_deployment_that_chose_the_open_api_keeps_it_and_is_warned(ask, env):
    answers, output = ask(AIRFLOW__API__AUTH_BACKEND='airflow.api.auth.backend.default')

    assert answers['trigger'] == 200
    assert runs(env) == 1
    assert 'auth_backend' in output, 'nothing warns of a configuration from before'


def test_a_command_prints_what_it_did_before_whatever_the_configuration(env):
    env = dict(env, AIRFLOW__API__AUTH_BACKEND='airflow.api.auth.backend.default')
    airflow = os.path.join(os.path.dirname(sys.executable), 'airflow')
    subprocess.check_output([airflow, 'variables', '-s', 'name', 'its value'], env=env, stderr=subprocess.STDOUT)

    output = subprocess.check_output([airflow, 'variables', '-g', 'name'], env=env, universal_newlines=True)

    assert 'its value' in output.splitlines()
    assert 'auth_backend' not in output, 'a warning stands between what scripts read'
