"""CVE-2020-13944: the page to return to is one of this webserver."""
import pytest
import ui

ELSEWHERE = [
    'http://evil.example/',
    'HTTPS://evil.example/',
    '//evil.example/',
    'http://evil.example:80/tree',
    'http://localhost:81/',
    'http://localhost@evil.example/',
    'javascript:alert(1)',
    'data:text/html,x',
    'ftp://localhost/',
]


@pytest.mark.parametrize('origin', ELSEWHERE)
@pytest.mark.parametrize('view, place', ui.REDIRECTS)
@pytest.mark.parametrize('name', ui.UIS)
def test_what_is_elsewhere_leads_to_the_index_page(name, view, place, origin):
    response = ui.redirect(name, view, place, origin)

    assert response.headers['Location'] == ui.index_of(name)


@pytest.mark.parametrize('name', ui.UIS)
def test_the_first_of_several_origins_is_checked_like_one(name):
    for origins in (['http://evil.example/', '/tree'], ['/tree', 'http://evil.example/']):
        location = ui.redirect(name, 'trigger', 'form', origins).headers['Location']

        assert ui.destination(location) == ui.HERE


@pytest.mark.parametrize('view, place', ui.REDIRECTS)
@pytest.mark.parametrize('name', ui.UIS)
def test_what_is_here_is_still_returned_to(name, view, place):
    for path in ('/tree?dag_id=own', '/', '/graph?dag_id=own&root='):
        for origin in (path, ui.HOST + path):
            assert ui.redirect(name, view, place, origin).headers['Location'] == ui.HOST + path


@pytest.mark.parametrize('view, place', ui.REDIRECTS)
@pytest.mark.parametrize('name', ui.UIS)
def test_without_an_origin_the_index_page_is_returned_to(name, view, place):
    response = ui.redirect(name, view, place, None)

    assert response.headers['Location'] == ui.index_of(name)
