"""AC-2026-08: the header Referer leads the browser to no other webserver."""
import pytest
import ui

ELSEWHERE = [
    'https://evil.example/',
    'http://evil.example/home',
    '//evil.example/',
    'http:evil.example',
    'http:///evil.example',
    '\\\\evil.example',
    '/\\evil.example',
    'http://localhost@evil.example/',
    'http://localhost.evil.example/',
    'http://localhost:1234/',
    'javascript:alert(1)',
    'data:text/html,x',
]
# An unknown DAG is not deleted; a known one is refreshed.
VIEWS = [('delete', 'nowhere'), ('refresh', 'own')]


def destination(interface, view, dag_id, referrer):
    headers = {'Referer': referrer} if referrer else {}
    response = ui.client_of(interface).post(ui.url_of(interface, view), data={'dag_id': dag_id}, headers=headers)
    return response.headers.get('Location', 'error:{}'.format(response.status_code))


@pytest.mark.parametrize('referrer', ELSEWHERE)
@pytest.mark.parametrize('view, dag_id', VIEWS)
@pytest.mark.parametrize('interface', ui.UIS)
def test_no_other_host_is_gone_to(interface, view, dag_id, referrer):
    location = destination(interface, view, dag_id, referrer)

    assert ui.destination(location) == ui.HERE, 'the browser is sent to another webserver'


@pytest.mark.parametrize('view, dag_id', VIEWS)
@pytest.mark.parametrize('interface', ui.UIS)
def test_who_comes_from_nowhere_gets_to_the_list_of_dags(interface, view, dag_id):
    assert destination(interface, view, dag_id, None) == ui.index_of(interface)


@pytest.mark.parametrize('view, dag_id', VIEWS)
@pytest.mark.parametrize('interface', ui.UIS)
def test_the_page_that_asked_is_still_gone_back_to(interface, view, dag_id):
    page = ui.HOST + ui.url_of(interface, 'tree') + '?dag_id=own&num_runs=25'

    assert destination(interface, view, dag_id, page) == page
