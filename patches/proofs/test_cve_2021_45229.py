"""CVE-2021-45229: the trigger page does not write the page to return to into script."""
import pytest
import ui

BREAKING_OUT = [
    "/'+alert(1)+'",
    "/tree'-alert(1)-'?dag_id=own",
    "/tree?dag_id=own#'+alert(1)+'",
    "http://localhost/'+alert(1)+'",
    '/"+alert(1)+"',
    '/" onmouseover="alert(1)',
    '/"><script>alert(1)</script>',
    "/</script><script>alert(1)</script>",
]


@pytest.mark.parametrize('origin', BREAKING_OUT)
@pytest.mark.parametrize('name', ui.UIS)
def test_the_origin_is_no_part_of_any_script(name, origin):
    page = ui.trigger_page(name, origin)

    assert not [script for script in page.script if 'alert(1)' in script]


@pytest.mark.parametrize('name', ui.UIS)
def test_the_cancel_button_still_returns_to_the_page_before(name):
    page = ui.trigger_page(name, '/tree?dag_id=own&root=')

    assert page.cancel is not None
    assert ui.destination(page.cancel) == ui.HERE
    assert page.cancel.endswith('/tree?dag_id=own&root=')
