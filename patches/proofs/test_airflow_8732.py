"""apache/airflow#8732: Airflow starts although a plugin of an entry point cannot be imported."""
import types


def loaded(*entry_points):
    """The names of the plugins that are loaded of these entry points; or the error with which nothing starts."""
    from airflow import plugins_manager

    try:
        found = plugins_manager.load_entrypoint_plugins(entry_points, [])
    except ImportError as error:
        return error
    return [plugin.name for plugin in found]


def entry_point(name, load):
    return types.SimpleNamespace(name=name, module_name=name, load=load)


def broken():
    raise ImportError('no such module')


def works():
    from airflow.plugins_manager import AirflowPlugin

    return type('Plugin', (AirflowPlugin,), {'name': 'works', 'on_load': classmethod(lambda cls: None)})


def test_the_others_are_loaded():
    found = loaded(entry_point('broken', broken), entry_point('works', works))
    assert found == ['works'], 'no command starts'


def test_it_is_an_import_error():
    from airflow import plugins_manager

    assert loaded(entry_point('broken', broken)) == [], 'no command starts'
    assert 'no such module' in plugins_manager.import_errors['broken']
