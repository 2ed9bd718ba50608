"""CVE-2024-25142: browsers keep no copies of pages that need a login."""
import pytest
import ui

PAGES = {
    True: ['/home', '/tree?dag_id=own', '/graph?dag_id=own', '/code?dag_id=own', '/dagrun/list/', '/login/', '/health'],
    False: ['/admin/', '/admin/airflow/tree?dag_id=own', '/admin/airflow/code?dag_id=own', '/admin/dagrun/', '/health'],
}
EACH = [(name, page) for name in ui.UIS for page in PAGES[name == ui.RBAC]]


def stores(response):
    return 'no-store' not in response.headers.get('Cache-Control', '')


@pytest.mark.parametrize('method', ['GET', 'HEAD'])
@pytest.mark.parametrize('name, page', EACH)
def test_a_page_is_not_stored(name, page, method):
    response = ui.client_of(name).open(page, method=method)

    assert response.status_code in (200, 302)
    assert not stores(response)


@pytest.mark.parametrize('name', ui.UIS)
def test_neither_are_redirects_and_errors(name):
    for path in (ui.url_of(name, 'trigger') + '?dag_id=nowhere', '/there_is_no_such_page'):
        response = ui.client_of(name).post(path) if 'trigger' in path else ui.client_of(name).get(path)
        assert response.status_code in (302, 404)
        assert not stores(response)


@pytest.mark.parametrize('page', ['/variable/list/', '/connection/list/', '/taskinstance/list/', '/users/list/'])
def test_nor_are_lists(page):
    assert not stores(ui.client_of(ui.RBAC).get(page))


@pytest.mark.skipif(ui.IS_1, reason='1.10 has no such API')
@pytest.mark.parametrize('path', ['/dags', '/variables', '/dags/nowhere', '/health'])
def test_nor_is_what_the_api_answers(path):
    from people import api

    assert not stores(api('admin', 'GET', path))


def static_file(name):
    """The path of a file that pages load, as a page names it."""
    page = ui.client_of(name).get('/home' if name == ui.RBAC else '/admin/').get_data(as_text=True)
    paths = [part for part in page.replace("'", '"').split('"') if part.startswith('/static/') and part.endswith('.js')]
    return paths[0]


@pytest.mark.parametrize('name', ui.UIS)
def test_static_files_are_still_stored(name):
    """A page loads megabytes of them: who forbids to store them makes each page slow."""
    path = static_file(name)
    client = ui.client_of(name)

    response = client.get(path)
    again = client.get(path, headers={'If-None-Match': response.headers['ETag']})

    assert response.status_code == 200
    assert stores(response)
    assert again.status_code == 304
    assert stores(again)


@pytest.mark.parametrize('name', ui.UIS)
def test_what_a_response_says_itself_is_left_alone(name, monkeypatch):
    from flask import Response

    app = ui.app_of(name)
    endpoint = [rule.endpoint for rule in app.url_map.iter_rules() if rule.rule == '/health'][0]
    monkeypatch.setitem(app.view_functions, endpoint, lambda: Response('x', headers={'Cache-Control': 'max-age=60'}))

    assert ui.client_of(name).get('/health').headers['Cache-Control'] == 'max-age=60'


@pytest.mark.parametrize('name', ui.UIS)
def test_other_headers_are_as_before(name):
    response = ui.client_of(name).get('/home' if name == ui.RBAC else '/admin/')

    assert response.headers['Content-Type'].startswith('text/html')
