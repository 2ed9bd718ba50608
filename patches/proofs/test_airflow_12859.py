"""apache/airflow#12859: plugins of entry points are loaded on Python 3.8 without importlib-metadata."""
import os
import subprocess
import sys

import pytest

# Later versions of setuptools lend what they have in place of that package to everybody; those of the time did not.
LOAD = '''
import sys
if {without}:
    import importlib.metadata
    import setuptools

    class Finder:
        find_spec = staticmethod(lambda *args: None)
        find_distributions = importlib.metadata.MetadataPathFinder.find_distributions

    sys.modules['importlib_metadata'] = None
    sys.meta_path[:] = [finder for finder in sys.meta_path if not type(finder).__module__.startswith('setuptools')]
    sys.meta_path.append(Finder)
from airflow import plugins_manager
print('loaded', sorted(plugin.name for plugin in plugins_manager.plugins))
print('errors', sorted(plugins_manager.import_errors))
'''


def start(folder, entry, code, without=True):
    """What a process says that imports Airflow beside a distribution whose entry point is a plugin."""
    info = folder / 'proof_of_plugins-1.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: proof-of-plugins\nVersion: 1.0\n')
    (info / 'entry_points.txt').write_text('[airflow.plugins]\nproof = {}\n'.format(entry))
    (folder / 'module_of_the_plugin.py').write_text(code)
    environment = dict(os.environ, PYTHONPATH=str(folder))
    environment.pop('PROOF_PREPARED', None)
    command = [sys.executable, '-W', 'ignore', '-c', LOAD.format(without=without)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    print(done.stderr.decode())
    assert done.returncode == 0, 'Airflow does not start'
    return done.stdout.decode()


PLUGIN = '''
from airflow.plugins_manager import AirflowPlugin


class Plugin(AirflowPlugin):
    name = 'plugin of the proof'
'''


@pytest.mark.skipif(sys.version_info < (3, 8), reason='Python has no importlib.metadata of its own')
def test_a_plugin_of_an_entry_point_is_loaded(tmp_path):
    assert "loaded ['plugin of the proof']" in start(tmp_path, 'module_of_the_plugin:Plugin', PLUGIN)


@pytest.mark.skipif(sys.version_info < (3, 8), reason='Python has no importlib.metadata of its own')
@pytest.mark.parametrize('entry', ['module_of_the_plugin:Plugin', 'module_of_the_plugin : Plugin'])
def test_airflow_starts_although_such_a_plugin_cannot_be_imported(tmp_path, entry):
    said = start(tmp_path, entry, 'import not_there')
    assert "errors ['module_of_the_plugin']" in said
    assert 'loaded []' in said


def test_airflow_starts_without_any_plugin():
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', LOAD.format(without=sys.version_info >= (3, 8))], stdout=subprocess.PIPE
    )
    assert done.returncode == 0
    assert b'loaded []' in done.stdout
