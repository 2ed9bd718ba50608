"""apache/airflow#17269: saving a connection whose type has fields of its own keeps what else its extra has."""
import json
import os
import sys

import connections
import pytest
import ui

# The provider below is to be there before Airflow looks for providers.
pytestmark = pytest.mark.fresh_process

TYPE = 'google_cloud_platform'
PROJECT = 'extra__google_cloud_platform__project'
PROVIDER = '''
def get_provider_info():
    return {
        'package-name': 'provider-with-fields',
        'name': 'Proof',
        'description': 'Proof',
        'versions': ['1.0.0'],
        'hook-class-names': ['provider_with_fields.Hook'],
    }


class Hook:
    conn_name_attr = 'conn_id'
    default_conn_name = 'google_cloud_default'
    conn_type = 'google_cloud_platform'
    hook_name = 'Google'

    def __init__(self, conn_id=None):
        pass

    @staticmethod
    def get_connection_form_widgets():
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
        from wtforms import StringField

        return {'extra__google_cloud_platform__project': StringField('Project', widget=BS3TextFieldWidget())}

    @staticmethod
    def get_ui_field_behaviour():
        return {'hidden_fields': [], 'relabeling': {}}
'''


def _install_provider():
    """Airflow 2 finds a provider whose connections have fields of their own; 1.10 has such fields built in."""
    folder = os.path.join(os.environ['AIRFLOW_HOME'], 'provider_with_fields_of_the_proof')
    info = os.path.join(folder, 'provider_with_fields-1.0.0.dist-info')
    os.makedirs(info, exist_ok=True)
    entry = '[apache_airflow_provider]\nprovider_info = provider_with_fields:get_provider_info\n'
    texts = {
        os.path.join(folder, 'provider_with_fields.py'): PROVIDER,
        os.path.join(info, 'METADATA'): 'Metadata-Version: 2.1\nName: provider-with-fields\nVersion: 1.0.0\n',
        os.path.join(info, 'entry_points.txt'): entry,
    }
    for path, text in texts.items():
        with open(path, 'w') as file:
            file.write(text)
    sys.path.append(folder)


_install_provider()
interfaces = pytest.mark.parametrize('interface', ui.UIS)


def saved(interface, before, **changes):
    """The extra that is stored when somebody opens the form of a connection, changes this and saves it."""
    connections.store('mine', before, conn_type=TYPE)
    connections.save(interface, 'mine', **changes)
    text, _, host = connections.stored('mine')
    assert host == changes.get('host'), 'the form was not saved'
    return json.loads(text)


@interfaces
def test_saving_keeps_what_else_the_extra_has(interface):
    before = {'region': 'north', 'options': {'a': [1, 2]}, 'name': 'Grün', PROJECT: 'one'}
    after = saved(interface, json.dumps(before), host='new.invalid')
    assert {name: after.get(name) for name in before} == before, 'something in the extra is gone'


@interfaces
def test_a_field_that_is_changed_counts(interface):
    after = saved(interface, json.dumps({'region': 'north', PROJECT: 'one'}), host='new.invalid', **{PROJECT: 'two'})
    assert after[PROJECT] == 'two'
    assert after.get('region') == 'north', 'something in the extra is gone'


@interfaces
def test_a_field_that_is_emptied_is_empty(interface):
    after = saved(interface, json.dumps({PROJECT: 'one'}), host='new.invalid', **{PROJECT: ''})
    assert after[PROJECT] == ''


@interfaces
def test_what_is_taken_out_of_the_extra_or_put_into_it_is_so(interface):
    before = {'region': 'north', 'zone': 'a', PROJECT: 'one'}
    new = json.dumps({'zone': 'b', 'more': 1})
    after = saved(interface, json.dumps(before), host='new.invalid', extra=new)
    assert after.get('zone') == 'b' and after.get('more') == 1, 'something in the extra is gone'
    assert 'region' not in after
    assert after[PROJECT] == 'one'


@interfaces
@pytest.mark.parametrize('before', [None, '', '{}'])
def test_fields_make_an_extra_where_there_is_none(interface, before):
    assert saved(interface, before, host='new.invalid', **{PROJECT: 'one'})[PROJECT] == 'one'


@interfaces
def test_a_secret_that_is_not_shown_is_kept_beside_the_fields(interface):
    before = {'password': 'hunter2', PROJECT: 'one'}
    after = saved(interface, json.dumps(before), host='new.invalid', **{PROJECT: 'two'})
    assert after.get('password') == 'hunter2', 'something in the extra is gone'
    assert after[PROJECT] == 'two'


@interfaces
def test_the_extra_of_another_type_stays_as_it_is(interface):
    connections.store('mine', 'no JSON')
    connections.save(interface, 'mine', host='new.invalid')
    assert connections.stored('mine')[0] == 'no JSON'
