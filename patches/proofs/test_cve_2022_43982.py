"""CVE-2022-43982: what the Cancel button of the trigger page leads to is a page of this webserver, never script."""
import urllib.parse

import pytest
import ui

HOSTILE = [
    ' javascript:alert(1)',
    '\x01javascript:alert(1)',
    '\x1fjavascript:alert(1)',
    '\n javascript:alert(1)',
    'java\tscript:alert(1)',
    'java\nscript:alert(1)',
    'javascript\r:alert(1)',
    'JaVaScRiPt:alert(1)',
    'javascript:alert(1)',
    'javascript://localhost/%0aalert(1)',
    ' data:text/html,<script>alert(1)</script>',
    'vbscript:alert(1)',
    'https:///evil.example/',
    '/\\evil.example/',
    '\\\\evil.example/',
    '////evil.example/',
]


@pytest.fixture(autouse=True, params=['this Python', 'an older Python'])
def python(request, monkeypatch):
    """The oldest Pythons on which these releases run leave blanks and control characters in a URL."""
    if request.param == 'an older Python':
        monkeypatch.setattr(urllib.parse, '_WHATWG_C0_CONTROL_OR_SPACE', '', raising=False)
        monkeypatch.setattr(urllib.parse, '_UNSAFE_URL_BYTES_TO_REMOVE', [], raising=False)
    urllib.parse.clear_cache()
    yield
    urllib.parse.clear_cache()


@pytest.mark.parametrize('origin', HOSTILE, ids=repr)
@pytest.mark.parametrize('name', ui.UIS)
def test_no_link_of_the_trigger_page_runs_script_or_leaves_the_webserver(name, origin):
    page = ui.trigger_page(name, origin)

    # Upstream's button is script, which the proof of CVE-2021-45229 is about; the form hands the value on.
    [value] = page.fields['origin']
    for link in filter(None, [page.cancel, value]):
        assert ui.destination(link) == ui.HERE


@pytest.mark.parametrize('name', ui.UIS)
def test_the_page_that_the_user_came_from_is_still_kept(name):
    page = ui.trigger_page(name, '/tree?dag_id=own&root=')

    # As a path: behind a proxy this webserver does not know the scheme and host that browsers use.
    assert page.fields['origin'] == ['/tree?dag_id=own&root=']
