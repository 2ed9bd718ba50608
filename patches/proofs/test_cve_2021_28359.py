"""CVE-2021-28359: a semicolon, which some parsers take for a separator, hides nothing in the page to return to."""
from urllib.parse import unquote

import pytest
import ui

RELATIVE = [
    "/tree?dag_id=own';alert(1)//",
    '/tree?dag_id=own;alert(1)',
    "/tree?dag_id=own%27;alert(1)%2f%2f",
    "/tree?dag_id=own%27%3balert(1)%2f%2f",
    "/tree?dag_id=own%27%3Balert(1)",
    '/tree?;alert(1)',
    "/tree';alert(1)//",
]
COMPLETE = [
    ui.HOST + "/trigger?dag_id=own&origin=36539%27%3balert(1)%2f%2f166&abc=2",
    ui.HOST + "/trigger?dag_id=own&origin=36539';alert(1)//",
]


@pytest.mark.parametrize('origin', RELATIVE)
@pytest.mark.parametrize('name', ui.UIS)
def test_a_relative_origin_with_a_semicolon_leads_to_the_index_page(name, origin):
    for view, place in ui.REDIRECTS:
        response = ui.redirect(name, view, place, origin)

        assert response.headers['Location'] == ui.index_of(name)


@pytest.mark.parametrize('origin', COMPLETE)
@pytest.mark.parametrize('name', ui.UIS)
def test_no_semicolon_is_left_in_a_complete_origin(name, origin):
    for view, place in ui.REDIRECTS:
        location = ui.redirect(name, view, place, origin).headers['Location']

        assert ';' not in unquote(location)
        assert 'alert' not in location


@pytest.mark.parametrize('name', ui.UIS)
def test_an_origin_without_a_semicolon_is_still_returned_to(name):
    for view, place in ui.REDIRECTS:
        response = ui.redirect(name, view, place, '/tree?dag_id=own&root=&num_runs=25')

        assert response.headers['Location'] == ui.HOST + '/tree?dag_id=own&root=&num_runs=25'
