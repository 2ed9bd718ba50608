"""CVE-2026-48891: the graph of dependencies shows DAGs that the user may read."""
import json
import re

import pytest
import ui

SERIALIZED = {
    'own': [('own', 'other', 'trigger', 'starts_other')],
    'other': [('unseen', 'other', 'sensor', 'waits_for_unseen')],
    'unseen': [('unseen', 'own', 'trigger', 'starts_own')],
}
WHO = {'owner': {'own'}, 'reader': {'own', 'other'}}


@pytest.fixture(autouse=True)
def graph(monkeypatch):
    """Three DAGs, each of which depends on others."""
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import DagDependency

    found = {
        dag_id: [DagDependency(*dependency) for dependency in dependencies]
        for dag_id, dependencies in SERIALIZED.items()
    }
    ui.app_of(ui.RBAC)
    monkeypatch.setattr(SerializedDagModel, 'get_dag_dependencies', classmethod(lambda cls, session=None: found))
    later = ui.RUN_DATE.replace(year=2999)
    newest = classmethod(lambda cls, session=None: later)
    monkeypatch.setattr(SerializedDagModel, 'get_max_last_updated_datetime', newest)


def page(username, method='GET'):
    response = ui.client_of(ui.RBAC, username).open('/dag-dependencies', method=method)
    assert response.status_code == 200
    return response.get_data(as_text=True)


def shown(username):
    """The ids of the nodes, and the edges."""
    text = page(username)
    found = (re.search(r'\b{} = (\[.*?\]);'.format(name), text, re.DOTALL) for name in ('nodes', 'edges'))
    nodes, edges = (json.loads(part.group(1)) for part in found)
    return {node['id'] for node in nodes}, {(edge['u'], edge['v']) for edge in edges}


TRIGGER = 'trigger:own:other:starts_other'


@pytest.mark.parametrize('username', WHO)
def test_no_id_of_a_dag_that_may_not_be_read_is_anywhere_on_the_page(username):
    text = page(username)

    for dag_id in set(SERIALIZED) - WHO[username]:
        assert not re.search(r'[":]{}[":]'.format(dag_id), text)
    assert 'unseen' not in text


def test_an_own_dag_is_still_shown():
    assert shown('owner') == ({'dag:own'}, set())


def test_a_dependency_between_two_that_may_be_read_is_still_shown():
    assert shown('reader') == (
        {'dag:own', 'dag:other', TRIGGER},
        {('dag:own', TRIGGER), (TRIGGER, 'dag:other')},
    )


@pytest.mark.parametrize('username', ['admin', 'viewer'])
def test_who_may_read_all_dags_still_sees_all(username):
    nodes, edges = shown(username)

    assert {'dag:own', 'dag:other', 'dag:unseen', TRIGGER} <= nodes
    assert len(nodes) == 6
    assert len(edges) == 6


def test_what_one_is_shown_does_not_depend_on_who_came_before():
    """The graph is kept between requests: it is not that of the first user."""
    for username in ('owner', 'admin', 'owner', 'reader'):
        shown(username)

    assert shown('owner')[0] == {'dag:own'}
    assert len(shown('admin')[0]) == 6


def test_every_edge_leads_from_a_node_to_a_node():
    for username in ('owner', 'reader', 'admin'):
        nodes, edges = shown(username)
        assert {end for edge in edges for end in edge} <= nodes
