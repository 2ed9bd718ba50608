"""AC-BUG-29: `airflow sync_perm` makes the permissions of DAGs, and gives and takes them as access_control says."""
import argparse
import datetime
import os

import people
import pytest
import ui

RIGHTS = {ui.READ, ui.EDIT}
FILE = '''
from datetime import datetime
from airflow import DAG
dag = DAG('of_a_file', start_date=datetime(2021, 6, 1), access_control={'readers': {RIGHT}})
'''


@pytest.fixture(autouse=True)
def fixture_roles(monkeypatch):
    from airflow import settings

    monkeypatch.setattr(settings, 'RBAC', True, raising=False)
    monkeypatch.setattr(settings, 'STORE_SERIALIZED_DAGS', True, raising=False)
    with ui.app_of(ui.RBAC).app_context():
        for name in ('readers', 'editors', 'former'):
            people.security().add_role(name)
    ui.let_go()


def store(dag_id, access_control):
    """A DAG in the database, and in no file."""
    from airflow.models import DAG
    from airflow.models.serialized_dag import SerializedDagModel

    start = datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc)
    dag = DAG(dag_id, start_date=start, schedule_interval=None, access_control=access_control)
    dag.sync_to_db()
    SerializedDagModel.write_dag(dag)


def sync_perm(monkeypatch):
    """What `airflow sync_perm` or `airflow sync-perm` does."""
    app = ui.app_of(ui.RBAC)
    if ui.IS_1:
        from airflow.bin import cli

        monkeypatch.setattr(cli, 'cached_appbuilder', lambda: app.appbuilder)
    else:
        from airflow.cli.commands import sync_perm_command as cli

        monkeypatch.setattr(cli, 'cached_app', lambda: app)
    with app.app_context():
        cli.sync_perm(argparse.Namespace(subcommand='sync_perm'))
    ui.let_go()


def give(dag_id, access_control):
    with ui.app_of(ui.RBAC).app_context():
        people.security().sync_perm_for_dag(dag_id, access_control)
    ui.let_go()


def rights_of(role, dag_id):
    """What a role may do with a DAG."""
    with ui.app_of(ui.RBAC).app_context():
        rights = people.security().find_role(role).permissions
        found = {right.permission.name for right in rights if right.view_menu.name in (dag_id, 'DAG:' + dag_id)}
    ui.let_go()
    return found


def test_roles_get_the_rights_that_the_dag_names(monkeypatch):
    store('given', {'readers': {ui.READ}, 'editors': RIGHTS})
    sync_perm(monkeypatch)
    assert rights_of('readers', 'given') == {ui.READ}, 'sync_perm does nothing for a DAG of the database'
    assert rights_of('editors', 'given') == RIGHTS
    assert rights_of('former', 'given') == set()


def test_a_role_loses_what_the_dag_no_longer_names(monkeypatch):
    give('taken', {'former': RIGHTS})
    assert rights_of('former', 'taken') == RIGHTS
    store('taken', {'readers': {ui.READ}})
    sync_perm(monkeypatch)
    assert rights_of('former', 'taken') == set(), 'sync_perm does nothing for a DAG of the database'
    assert rights_of('readers', 'taken') == {ui.READ}


def test_a_dag_that_names_no_roles_changes_none(monkeypatch):
    give('left', {'former': RIGHTS})
    store('left', None)
    sync_perm(monkeypatch)
    assert rights_of('former', 'left') == RIGHTS


@pytest.mark.skipif(not ui.IS_1, reason='2.x has DAGs in the database always')
def test_without_serialization_the_files_are_read(monkeypatch):
    from airflow import settings

    with open(os.path.join(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], 'more.py'), 'w') as file:
        file.write(FILE.replace('RIGHT', repr(ui.READ)))
    store('of_the_database', {'readers': {ui.READ}})
    monkeypatch.setattr(settings, 'STORE_SERIALIZED_DAGS', False)
    sync_perm(monkeypatch)
    assert rights_of('readers', 'of_a_file') == {ui.READ}
    assert rights_of('readers', 'of_the_database') == set()
