"""CVE-2024-45034: a file among the DAGs does not run as airflow_local_settings when Airflow starts."""
import os
import shutil
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


def environment(home):
    return dict(
        os.environ,
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__DAGS_FOLDER=str(home / 'dags'),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(home / 'plugins'),
        AIRFLOW__CORE__SQL_ALCHEMY_CONN='sqlite:///{}'.format(home / 'airflow.db'),
    )


def process(home, command):
    status, output, errors = outcome(home, command)
    assert status == 0, errors
    return output


def outcome(home, command):
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'universal_newlines': True}
    done = subprocess.Popen(command, env=environment(home), cwd=str(home), **pipes)
    output, errors = done.communicate()
    return done.returncode, output, errors


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


def test_such_a_file_does_not_run_in_what_the_scheduler_starts_either(home):
    marker = home / 'marker'
    (home / 'dags' / 'airflow_local_settings.py').write_text(SETTINGS.format(str(marker)))
    shutil.copy(os.path.join(os.environ['AIRFLOW_HOME'], 'airflow.db'), str(home))

    airflow(home, 'scheduler', '-n', '1')

    assert not marker.exists(), 'a file of the DAG folder ran while the scheduler set up a process'


SPELLINGS = ['{home}/dags', '{home}/dags/', '{home}/./dags', '{home}/config/../dags', '{home}//dags', '{home}/link', 'dags']


@pytest.mark.parametrize('spelling', SPELLINGS)
def test_such_a_file_does_not_run_however_the_path_of_python_spells_the_folder(home, monkeypatch, spelling):
    marker = home / 'marker'
    (home / 'dags' / 'airflow_local_settings.py').write_text(SETTINGS.format(str(marker)))
    (home / 'dags' / 'shared_code.py').write_text('')
    (home / 'link').symlink_to(home / 'dags')
    monkeypatch.setenv('PYTHONPATH', spelling.format(home=home))

    airflow(home, 'version')

    assert not marker.exists(), 'a file of the DAG folder ran while Airflow started'
    python(home, 'import shared_code')


def test_such_a_file_does_not_run_where_python_starts_in_that_folder(home):
    marker = home / 'marker'
    (home / 'dags' / 'airflow_local_settings.py').write_text(SETTINGS.format(str(marker)))
    (home / 'dags' / 'shared_code.py').write_text('')
    code = 'import airflow.settings; import shared_code'

    subprocess.check_call([sys.executable, '-c', code], env=environment(home), cwd=str(home / 'dags'))

    assert not marker.exists(), 'a file of the DAG folder ran while Airflow started'


def test_local_settings_that_need_a_file_among_the_dags_are_not_passed_over_in_silence(home):
    (home / 'dags' / 'our_policies.py').write_text('SQL_ALCHEMY_SCHEMA = "of our policies"\n')
    (home / 'config' / 'airflow_local_settings.py').write_text('from our_policies import SQL_ALCHEMY_SCHEMA\n')

    code = 'import airflow.settings; print(airflow.settings.SQL_ALCHEMY_SCHEMA)'
    status, output, errors = outcome(home, [sys.executable, '-c', code])

    # Upstream finds it, for the DAG folder is importable there; what must not be is a start without the policies.
    assert 'of our policies' in output or status != 0
    assert 'of our policies' in output or "No module named 'our_policies'" in errors


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
