"""apache/airflow#25296: the plugins of a distribution are loaded once, also where it is on the path twice."""
import sys

import pytest


@pytest.fixture(autouse=True)
def fixture_twice(tmp_path, monkeypatch):
    """A distribution that is installed in two places, and another one."""
    for folder, name in (('first', 'demo'), ('second', 'demo'), ('second', 'other')):
        place = tmp_path / folder / '{}-1.0.dist-info'.format(name)
        place.mkdir(parents=True)
        (place / 'METADATA').write_text('Metadata-Version: 2.1\nName: {}\nVersion: 1.0\n'.format(name))
        (place / 'entry_points.txt').write_text('[proof.plugins]\n{} = a_module:Plugin\n'.format(name))
        if str(tmp_path / folder) not in sys.path:
            monkeypatch.syspath_prepend(str(tmp_path / folder))


def test_each_plugin_is_found_once():
    try:
        from airflow.utils.entry_points import entry_points_with_dist
    except ImportError:
        from airflow.plugins_manager import entry_points_with_dist

    found = [entry.name for entry, _ in entry_points_with_dist('proof.plugins')]

    assert found.count('other') == 1
    assert found.count('demo') == 1, 'the plugin is loaded twice'
