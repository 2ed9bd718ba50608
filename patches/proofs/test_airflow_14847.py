"""apache/airflow#14847: where update_fab_perms is off, `airflow sync_perm` makes roles that may do something."""
import argparse
import importlib
import os
import sys

import pytest
import ui  # noqa: F401

# The webserver makes permissions while it is made, or it does not.
pytestmark = pytest.mark.fresh_process
os.environ['AIRFLOW__WEBSERVER__UPDATE_FAB_PERMS'] = 'False'


def roles():
    """The permissions of each role."""
    security = importlib.import_module('airflow.www_rbac.app').cached_appbuilder().sm
    return {
        role.name: {(right.permission.name, right.view_menu.name) for right in role.permissions}
        for role in security.get_all_roles()
    }


@pytest.fixture(name='synced', scope='module')
def fixture_synced():
    from airflow.bin import cli

    before, sys.argv = sys.argv, ['airflow', 'sync_perm']
    try:
        cli.sync_perm(argparse.Namespace(subcommand='sync_perm'))
        yield roles()
    finally:
        sys.argv = before


@pytest.mark.parametrize('role', ['Admin', 'Op', 'User', 'Viewer'])
def test_a_role_may_open_pages(synced, role):
    assert {('can_index', 'Airflow'), ('can_graph', 'Airflow')} <= synced[role], 'nobody with that role can open a page'


def test_only_some_may_change_connections(synced):
    allowed = [role for role, rights in synced.items() if ('can_edit', 'ConnectionModelView') in rights]
    assert sorted(allowed) == ['Admin', 'Op']


def test_the_public_may_do_nothing(synced):
    assert synced['Public'] == set()
