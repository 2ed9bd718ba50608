"""CVE-2020-17515: what the page to return to has in its query string is encoded again before it is echoed."""
import re

import pytest
import ui

FRAGMENTS = ["'+alert(1)+'", '"+alert(1)+"', '<script>alert(1)</script>', '(alert)(1)', "')-alert(1)-('"]


@pytest.mark.parametrize('fragment', FRAGMENTS)
@pytest.mark.parametrize('view, place', ui.REDIRECTS)
@pytest.mark.parametrize('name', ui.UIS)
def test_no_script_is_left_in_the_query_string(name, view, place, fragment):
    for start in ('/tree?dag_id=own&root=', ui.HOST + '/tree?dag_id='):
        location = ui.redirect(name, view, place, start + fragment).headers['Location']

        path, _, query = location.partition('?')
        assert path == ui.HOST + '/tree'
        assert re.fullmatch('[A-Za-z0-9_.~%+&=-]+', query)


@pytest.mark.parametrize('name', ui.UIS)
def test_a_harmless_query_string_still_says_the_same(name):
    for query in ('dag_id=own&root=', 'dag_id=own&base_date=2021-06-01+00%3A00%3A00', 'dag_id=a%26b%3Dc'):
        response = ui.redirect(name, 'trigger', 'form', '/tree?' + query)

        assert response.headers['Location'] == ui.HOST + '/tree?' + query
