"""CVE-2024-45034: a file among the DAGs does not run as airflow_local_settings when Airflow starts."""
import os
import subprocess
import sys

import pytest

SETTINGS = 'open({!r}, "w").close()\nSQL_ALCHEMY_SCHEMA = "loaded"\n'


@pytest.fixture(name='home')
def fixture_home(tmp_path):
    for name in ('dags', 'config', 'plugins'):
        (tmp_path / name).mkdir()
    return tmp_path


def python(home, code):
    """What an Airflow process of a fresh AIRFLOW_HOME prints that runs this after it has started."""
    return process(home, [sys.executable, '-c', 'import airflow.settings; ' + code])


def airflow(home, *words):
    return process(home, [os.path.join(os.path.dirname(sys.executable), 'airflow')] + list(words))


def process(home, command):
    env = dict(
        os.environ,
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__DAGS_FOLDER=str(home / 'dags'),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(home / 'plugins'),
        AIRFLOW__CORE__SQL_ALCHEMY_CONN='sqlite:///{}'.format(home / 'airflow.db'),
    )
    done = subprocess.Popen(
        command, env=env, cwd=str(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True
    )
    output, errors = done.communicate()
    assert done.returncode == 0, errors
    return output


def test_a_file_of_that_name_among_the_dags_does_not_run_when_airflow_starts(home):
    marker = home / 'marker'
    (home / 'dags' / 'airflow_local_settings.py').write_text(SETTINGS.format(str(marker)))

    airflow(home, 'version')

    assert not marker.exists(), 'a file of the DAG folder ran while Airflow started'


def test_a_package_of_that_name_among_the_dags_does_not_run_either(home):
    marker = home / 'marker'
    (home / 'dags' / 'airflow_local_settings').mkdir()
    (home / 'dags' / 'airflow_local_settings' / '__init__.py').write_text(SETTINGS.format(str(marker)))

    airflow(home, 'version')

    assert not marker.exists(), 'a package of the DAG folder ran while Airflow started'


@pytest.mark.parametrize('folder', ['config', 'plugins'])
def test_local_settings_of_the_deployment_are_still_loaded(home, folder):
    marker = home / 'marker'
    (home / folder / 'airflow_local_settings.py').write_text(SETTINGS.format(str(marker)))

    assert 'loaded' in python(home, 'print(airflow.settings.SQL_ALCHEMY_SCHEMA)')
    assert marker.exists()


def test_local_settings_of_the_deployment_win_over_a_file_among_the_dags(home):
    marker = home / 'marker'
    (home / 'dags' / 'airflow_local_settings.py').write_text(SETTINGS.format(str(marker)))
    (home / 'config' / 'airflow_local_settings.py').write_text('SQL_ALCHEMY_SCHEMA = "of the deployment"\n')

    assert 'of the deployment' in python(home, 'print(airflow.settings.SQL_ALCHEMY_SCHEMA)')
    assert not marker.exists(), 'a file of the DAG folder ran while Airflow started'


def test_dags_still_import_modules_that_lie_beside_them(home):
    (home / 'dags' / 'shared_code.py').write_text('NAME = "made_of_shared_code"\n')
    (home / 'dags' / 'importing.py').write_text(
        'from datetime import datetime\n'
        'from airflow import DAG\n'
        'from shared_code import NAME\n'
        'dag = DAG(NAME, start_date=datetime(2021, 1, 1))\n'
    )

    found = python(home, 'from airflow.models import DagBag; print(sorted(DagBag(include_examples=False).dags))')

    assert 'made_of_shared_code' in found
