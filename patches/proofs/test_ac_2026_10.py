"""AC-2026-10: pages of the interface without roles make no link that runs script of what an address says."""
import itertools

import pytest
import ui

pytestmark = pytest.mark.skipif(not ui.IS_1, reason='2.x has no such interface')

# Browsers skip all of them before a scheme, and tabs and ends of lines within it.
BEFORE = [chr(code) + 'javascript:alert(1)' for code in range(0x20)]
WITHIN = ['java\tscript:alert(1)', 'java\nscript:alert(1)', '\x1a\x1fjava\rscript:alert(1)', ' \x1b javascript:alert(1)']
PAGES = ['variable/new/', 'variable/edit/?id=1', 'pool/new/', 'pool/edit/?id=1', 'connection/new/', 'connection/edit/?id=1']


@pytest.fixture(autouse=True, scope='module')
def rows():
    """There is a row to be edited in each list."""
    from airflow.models import Connection, Pool, Variable

    ui.app_of('www')
    with ui._session() as session:
        for model, values in ((Variable, {'key': 'k', 'val': 'v'}), (Pool, {'pool': 'p', 'slots': 1}), (Connection, {'conn_id': 'c'})):
            session.query(model).delete()
            session.execute(model.__table__.insert().values(id=1, **values))


def destinations(page, url):
    """Where the links of a page lead to that a victim opened."""
    path, _, query = page.partition('?')
    values = dict([query.split('=')] if query else [], url=url)
    response = ui.client_of('www').get('/admin/' + path, query_string=values)
    links = Links(response.get_data(as_text=True))
    return response.status_code, links.found


class Links(ui.Page):
    def __init__(self, text):
        self.found = []
        ui.Page.__init__(self, text)

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ('href', 'action') and value]
        ui.Page.handle_starttag(self, tag, attrs)


@pytest.mark.parametrize('page', PAGES)
def test_no_link_of_a_page_runs_script(page):
    for url in itertools.chain(BEFORE, WITHIN):
        _, found = destinations(page, url)

        assert {ui.destination(link)[0] for link in found} <= {'http', 'https'}, 'a link runs what {!r} says'.format(url)


@pytest.mark.parametrize('page', PAGES)
def test_the_list_that_a_page_was_opened_from_is_still_gone_back_to(page):
    back = '/admin/{}/?page=1&search=größer'.format(page.partition('/')[0])

    status, found = destinations(page, back)

    assert status == 200
    assert [link for link in found if 'page=1' in link and 'search=' in link], 'the list is not gone back to'


@pytest.mark.parametrize('page', PAGES)
def test_no_other_host_is_linked(page):
    _, found = destinations(page, 'https://evil.example/')

    assert not [link for link in found if 'evil.example' in link]
