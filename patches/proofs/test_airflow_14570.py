"""AIRFLOW-14570: the page of plugins is shown only to users who may read it."""
import os

import pytest
import ui

# Plugins are loaded while the application is made.
pytestmark = pytest.mark.fresh_process

PLUGIN = '''
from airflow.plugins_manager import AirflowPlugin


class PluginOfTheProof(AirflowPlugin):
    name = 'plugin_of_the_proof'
'''


# Plugins are loaded once, maybe before the first fixture.
os.makedirs(os.environ['AIRFLOW__CORE__PLUGINS_FOLDER'], exist_ok=True)
with open(os.path.join(os.environ['AIRFLOW__CORE__PLUGINS_FOLDER'], 'plugin_of_the_proof.py'), 'w') as plugin:
    plugin.write(PLUGIN)


def test_an_anonymous_visitor_is_led_to_the_login_page():
    response = ui.app_of('www').test_client().get('/plugin')

    assert 'plugin_of_the_proof' not in response.get_data(as_text=True)
    assert response.status_code == 302
    assert '/login/' in response.headers['Location']


def test_a_user_without_the_permission_does_not_see_it():
    app = ui.app_of('www')
    with app.app_context():
        security = app.appbuilder.sm
        role = security.add_role('visitor')
        security.add_permission_role(role, security.find_permission_view_menu('can_read', 'Website'))
        assert security.add_user('visitor', 'v', 'Proof', 'v@example.invalid', role, ui.PASSWORD)

    response = ui.client_of('www', 'visitor').get('/plugin')

    assert 'plugin_of_the_proof' not in response.get_data(as_text=True)


@pytest.mark.parametrize('username', ['viewer', 'admin'])
def test_who_may_read_plugins_still_sees_them(username):
    response = ui.client_of('www', username).get('/plugin')

    assert response.status_code == 200
    assert 'plugin_of_the_proof' in response.get_data(as_text=True)
