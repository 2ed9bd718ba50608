"""apache/airflow#14847: with update_fab_perms off, one `airflow sync_perm` gives the roles their rights."""
import argparse

import people
import pytest
import ui

ROLES = ('Admin', 'Op', 'User', 'Viewer')


@pytest.fixture(autouse=True)
def fixture_no_update(monkeypatch):
    """The webserver makes no permissions by itself."""
    builder = ui.app_of(ui.RBAC).appbuilder
    monkeypatch.setattr(builder, 'update_perms', False)
    ui.show_menu(ui.RBAC)
    yield
    builder.menu.menu[:] = []


def forget_rights():
    """The database is as before Airflow has made its first permission: users have roles, and these no rights."""
    from flask_appbuilder.security.sqla import models

    with ui.app_of(ui.RBAC).app_context():
        session = people.security().get_session
        session.execute(models.assoc_permissionview_role.delete())
        for table in (models.PermissionView, models.Permission, models.ViewMenu):
            session.query(table).delete()
        session.commit()
        session.remove()


def sync_perm(monkeypatch):
    """What `airflow sync_perm` or `airflow sync-perm` does."""
    app = ui.app_of(ui.RBAC)
    if ui.IS_1:
        from airflow.bin import cli

        monkeypatch.setattr(cli, 'cached_appbuilder', lambda: app.appbuilder)
    else:
        from airflow.cli.commands import sync_perm_command as cli

        monkeypatch.setattr(cli, 'cached_app', lambda: app)
    from airflow import settings

    monkeypatch.setattr(settings, 'RBAC', True, raising=False)
    with app.app_context():
        cli.sync_perm(argparse.Namespace(subcommand='sync_perm', include_dags=False))
    ui.let_go()


def rights():
    """The rights of each role that Airflow makes."""
    with ui.app_of(ui.RBAC).app_context():
        manager = people.security()
        found = {
            name: {(str(right.permission), str(right.view_menu)) for right in manager.find_role(name).permissions}
            for name in ROLES
        }
    ui.let_go()
    return found


def test_the_roles_have_all_of_their_rights_after_one_run(monkeypatch):
    before = rights()
    forget_rights()
    assert not any(rights().values())

    sync_perm(monkeypatch)

    for name, has in rights().items():
        missing = {right for right in before[name] - has if not right[1].startswith(('own', 'other', 'DAG:'))}
        assert not missing, '{} may not do what he may otherwise'.format(name)
    for name in ROLES:
        client = people.newcomer('a ' + name, name)
        assert client.get('/home').status_code == 200, 'who has the role {} may not see the first page'.format(name)


def test_a_second_run_changes_nothing(monkeypatch):
    sync_perm(monkeypatch)
    before = rights()
    sync_perm(monkeypatch)
    assert rights() == before


def test_a_role_of_somebody_else_keeps_what_it_has(monkeypatch):
    with ui.app_of(ui.RBAC).app_context():
        manager = people.security()
        role = manager.add_role('of us')
        manager.add_permission_role(role, manager.add_permission_view_menu('can_read', 'Website'))
    sync_perm(monkeypatch)
    with ui.app_of(ui.RBAC).app_context():
        assert 'can read on Website' in map(str, people.security().find_role('of us').permissions)
