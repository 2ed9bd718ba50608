"""apache/airflow#15208: a plugin in the folder of plugins is told that it is loaded."""
import os

import pytest

# The plugins are loaded when Airflow is imported, or soon after.
pytestmark = pytest.mark.fresh_process

PLUGINS = {
    'own': '''
from airflow.plugins_manager import AirflowPlugin

class Own(AirflowPlugin):
    name = 'own'
    loaded = []

    @classmethod
    def on_load(cls, *args, **kwargs):
        global is_loaded
        is_loaded = True
        cls.loaded.append((args, kwargs))

class Plain(AirflowPlugin):
    name = 'plain'
''',
    'broken': '''
from airflow.plugins_manager import AirflowPlugin

class Broken(AirflowPlugin):
    name = 'broken'

    @classmethod
    def on_load(cls, *args, **kwargs):
        raise ValueError('it cannot be loaded')
''',
}


@pytest.fixture(name='manager', scope='module')
def fixture_manager():
    """It has loaded the plugins."""
    from airflow import plugins_manager, settings

    os.makedirs(settings.PLUGINS_FOLDER, exist_ok=True)
    files = {os.path.join(settings.PLUGINS_FOLDER, name + '.py'): text for name, text in PLUGINS.items()}
    for file, text in files.items():
        with open(file, 'w') as opened:
            opened.write(text)

    plugins_manager.plugins = None
    plugins_manager.ensure_plugins_loaded()
    yield plugins_manager
    for file in files:
        os.remove(file)


def test_a_plugin_is_told_once_that_it_is_loaded(manager):
    manager.ensure_plugins_loaded()
    (own,) = [plugin for plugin in manager.plugins if plugin.name == 'own']
    assert own.loaded == [((), {})], 'what it does when it is loaded is not done'
    assert str(own.source) == '$PLUGINS_FOLDER/own.py'


def test_the_others_of_its_file_are_loaded(manager):
    assert [plugin.name for plugin in manager.plugins if plugin.name in ('own', 'plain')] == ['own', 'plain']


def test_one_that_cannot_be_loaded_is_named(manager):
    errors = {os.path.basename(file): error for file, error in manager.import_errors.items()}
    assert errors.get('broken.py') == 'it cannot be loaded'
    assert 'broken' not in [plugin.name for plugin in manager.plugins]
