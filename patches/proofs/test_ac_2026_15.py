"""AC-2026-15: the api behind the list of Variables hides the values that the list hides."""
import people
import pytest
import ui

pytestmark = pytest.mark.skipif(not ui.IS_1, reason='2.x gives Variables in clear to who may read them')
HIDDEN = ['password', 'api_secret', 'my_authorization', 'Some_ApiKey', 'access_token']


@pytest.fixture(autouse=True)
def variables():
    from airflow.models import Variable

    ui.app_of(ui.RBAC)
    with ui._session() as session:
        session.query(Variable).delete()
        for number, key in enumerate(HIDDEN + ['plain'], 1):
            values = {'id': number, 'key': key, 'val': 'value of ' + key, 'is_encrypted': False}
            session.execute(Variable.__table__.insert().values(**values))


@pytest.fixture(name='browser', scope='module')
def fixture_browser():
    """Who may list Variables, and edit them, and may not export them."""
    ui.app_of(ui.RBAC)
    without = [('varexport', 'VariableModelView')]
    return people.newcomer('lister', people.role_like_op('lister', without=without))


def hidden_ones(text):
    return [key for key in HIDDEN if 'value of ' + key in text]


PATHS = [
    '/variable/list/',
    '/variable/api/read',
    '/variable/api/readvalues',
    '/variable/api/read?_flt_0_key=s',
    '/variable/api/read?_oc_VariableModelView=key&_od_VariableModelView=desc&psize_VariableModelView=3',
]


@pytest.mark.parametrize('path', PATHS)
def test_no_answer_shows_what_the_list_hides(browser, path):
    response = browser.get(path)

    assert response.status_code == 200
    assert hidden_ones(response.get_data(as_text=True)) == [], 'the api shows what the list hides'


@pytest.mark.parametrize('number, key', list(enumerate(HIDDEN, 1)))
def test_changing_nothing_shows_nothing(browser, number, key):
    response = browser.put('/variable/api/update/{}'.format(number), data={'key': key})

    assert hidden_ones(response.get_data(as_text=True)) == [], 'the api shows what the page hides'


@pytest.mark.parametrize('path', ['/variable/api/read', '/variable/list/'])
def test_what_the_list_shows_is_still_in_the_answer(browser, path):
    text = browser.get(path).get_data(as_text=True)

    assert 'value of plain' in text
    assert all(key in text for key in HIDDEN)


def test_a_value_is_still_changed(browser):
    from airflow.models import Variable

    response = browser.put('/variable/api/update/6', data={'key': 'plain', 'val': 'another'})

    assert response.json['item']['val'] == 'another'
    assert Variable.get('plain') == 'another'
    assert Variable.get('password') == 'value of password'
