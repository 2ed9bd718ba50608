"""CVE-2022-43985: no form or link of the website ends in a redirect to another webserver."""
import pytest
import ui

ELSEWHERE = [
    'https:///evil.example/',
    'https:////evil.example/',
    'HTTPS:///evil.example/',
    'https:evil.example/',
    'https:/evil.example/',
    '/\\evil.example/',
    '\\\\evil.example/',
    '\\/evil.example/',
    'https:\\\\evil.example/',
    ' https:///evil.example/',
    '\thttps:///evil.example/',
    '/\t/evil.example/',
    '/\n/evil.example/',
    '////evil.example/',
    'http://localhost//evil.example/',
    '/.//evil.example/',
    '//evil.example/',
    '//evil.example\\@localhost/',
    'http://localhost@evil.example/',
    'http://localhost.evil.example/',
    'javascript:alert(1)',
    'data:text/html,x',
]


@pytest.mark.parametrize('origin', ELSEWHERE)
@pytest.mark.parametrize('view, place', ui.REDIRECTS)
@pytest.mark.parametrize('name', ui.UIS)
def test_no_origin_leads_to_another_webserver(name, view, place, origin):
    response = ui.redirect(name, view, place, origin)

    assert ui.destination(response.headers['Location']) == ui.HERE


@pytest.mark.parametrize('origin', ['https:///evil.example/', 'https:evil.example', 'javascript:alert(1)'])
@pytest.mark.parametrize('name', ui.UIS)
def test_what_has_a_scheme_but_no_host_leads_to_the_index_page(name, origin):
    response = ui.redirect(name, 'trigger', 'form', origin)

    assert response.headers['Location'] == ui.index_of(name)


@pytest.mark.parametrize('view, place', ui.REDIRECTS)
@pytest.mark.parametrize('name', ui.UIS)
def test_pages_of_this_webserver_are_still_returned_to(name, view, place):
    for origin in ('/tree?dag_id=own&root=', ui.HOST + '/graph?dag_id=own&num_runs=25', ui.HOST + '/'):
        response = ui.redirect(name, view, place, origin)

        assert response.headers['Location'] == (origin if origin.startswith('http') else ui.HOST + origin)


@pytest.mark.parametrize('name', ui.UIS)
def test_without_an_origin_the_index_page_is_returned_to(name):
    response = ui.redirect(name, 'trigger', 'form', None)

    assert response.headers['Location'] == ui.index_of(name)
