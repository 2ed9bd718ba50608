"""AC-BUG-28: with force_log_out_after there are pages, and who does nothing for so many minutes is logged out."""
import datetime

import people
import pytest
import ui

MINUTES = 20


@pytest.fixture(autouse=True)
def fixture_applications(monkeypatch):
    for name in ui.UIS:
        monkeypatch.setattr(ui.app_of(name), 'permanent_session_lifetime', datetime.timedelta(days=30))
        # An error is a page, as from a webserver
        monkeypatch.setitem(ui.app_of(name).config, 'PROPAGATE_EXCEPTIONS', False)


def force_log_out_after(monkeypatch, minutes):
    monkeypatch.setenv('AIRFLOW__WEBSERVER__FORCE_LOG_OUT_AFTER', str(minutes))


def asked_later(monkeypatch, client, minutes):
    """The response to who was last here some minutes ago."""
    import time

    now = time.time()
    with monkeypatch.context() as later:
        later.setattr('time.time', lambda: now + minutes * 60)
        return client.get('/home')


@pytest.mark.parametrize('path', ['/login/', '/home', '/tree?dag_id=own', '/static/pin_100.png'])
def test_there_are_pages(monkeypatch, path):
    client = people.newcomer('somebody')
    force_log_out_after(monkeypatch, MINUTES)
    answer = client.get(path, follow_redirects=True)
    assert answer.status_code == 200, 'the page is an error'


@pytest.mark.parametrize('path', ['/admin/', '/admin/airflow/tree?dag_id=own', '/health'])
def test_there_are_pages_of_the_classic_website(monkeypatch, path):
    client = ui.client_of('www')
    force_log_out_after(monkeypatch, MINUTES)
    answer = client.get(path)
    assert answer.status_code == 200, 'the page is an error'
    assert ui.app_of('www').permanent_session_lifetime == datetime.timedelta(minutes=MINUTES)


def test_who_does_nothing_is_logged_out(monkeypatch):
    force_log_out_after(monkeypatch, MINUTES)
    client = people.newcomer('somebody')
    assert client.get('/home').status_code == 200, 'the page is an error'
    assert asked_later(monkeypatch, client, MINUTES - 1).status_code == 200
    assert people.is_sent_to_login(asked_later(monkeypatch, client, MINUTES * 2))


@pytest.mark.parametrize('minutes', [0, -1])
def test_without_it_nobody_is_logged_out_so_soon(monkeypatch, minutes):
    force_log_out_after(monkeypatch, minutes)
    client = people.newcomer('somebody')
    assert asked_later(monkeypatch, client, MINUTES * 2).status_code == 200
