"""CVE-2023-25695: pages of errors tell strangers nothing about the machine."""
import os
import socket

import pytest
import ui

SECRET = 'what only the stack trace says'
ANONYMOUS, LOGGED_IN = 'anonymous', 'logged in'
HOSTS = {socket.getfqdn(), socket.gethostname()} - {'localhost'}


def browser(name, who):
    """A browser, in which somebody is logged in or nobody."""
    if who == LOGGED_IN and name == ui.RBAC:
        return ui.client_of(name)
    client = ui.app_of(name).test_client()
    if who == LOGGED_IN:
        with client.session_transaction() as session:
            # Both names that Flask-Login gave it; by default the interface without roles has one user.
            session['user_id'] = session['_user_id'] = '1'
    return client


@pytest.fixture(params=ui.UIS)
def name(request, monkeypatch):
    """An interface one of whose public pages fails, in which anonymous visitors are anonymous."""
    app = ui.app_of(request.param)

    def fail(*args, **kwargs):
        raise RuntimeError(SECRET)

    monkeypatch.setitem(app.config, 'PROPAGATE_EXCEPTIONS', False)
    monkeypatch.setitem(app.config, 'TESTING', False)
    endpoint = [rule.endpoint for rule in app.url_map.iter_rules() if rule.rule == health(request.param)][0]
    monkeypatch.setitem(app.view_functions, endpoint, fail)
    return request.param


def health(name):
    return '/health' if name == ui.RBAC else '/admin/airflow/noaccess'


def options(monkeypatch, value):
    monkeypatch.setenv('AIRFLOW__WEBSERVER__EXPOSE_STACKTRACE', value)
    monkeypatch.setenv('AIRFLOW__WEBSERVER__EXPOSE_HOSTNAME', value)


def show(name, who, path=None, method='GET'):
    response = browser(name, who).open(path or health(name), method=method)
    return response, response.get_data(as_text=True)


@pytest.mark.parametrize('value', ['True', 'False'])
@pytest.mark.parametrize('method', ['GET', 'HEAD'])
def test_an_anonymous_visitor_is_told_nothing(name, method, value, monkeypatch):
    """Also where the configuration file of an older version says that everything is shown."""
    options(monkeypatch, value)

    response, text = show(name, ANONYMOUS, method=method)

    assert response.status_code == 500
    assert SECRET not in text
    assert 'Traceback' not in text
    assert os.sep + 'site-packages' not in text
    assert not any(host in text for host in HOSTS)


@pytest.mark.parametrize('path', ['/there_is_no_such_page', '/static/there_is_no_such_file'])
def test_nor_by_the_page_of_what_is_not_found(name, path, monkeypatch):
    options(monkeypatch, 'True')

    response, text = show(name, ANONYMOUS, path)

    assert response.status_code == 404
    assert not any(host in text for host in HOSTS)


def test_versions_are_not_told_either(name, monkeypatch):
    import airflow

    options(monkeypatch, 'True')
    _, text = show(name, ANONYMOUS)

    assert airflow.__version__ not in text
    assert 'Python version: 3' not in text


def test_who_is_logged_in_still_sees_all_where_it_is_switched_on(name, monkeypatch):
    options(monkeypatch, 'True')

    response, text = show(name, LOGGED_IN)

    assert response.status_code == 500
    assert SECRET in text


def test_the_default_is_off():
    from airflow.configuration import conf

    for option in ('expose_stacktrace', 'expose_hostname'):
        if conf.has_option('webserver', option):
            assert conf.getboolean('webserver', option) is False
