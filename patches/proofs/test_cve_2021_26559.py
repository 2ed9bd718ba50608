"""CVE-2021-26559: the REST API shows the configuration only where it is exposed."""
import base64
import os

import pytest
import ui

SECRET = 'a value that nobody should read'


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv('AIRFLOW__SMTP__SMTP_PASSWORD', SECRET)


def get_config(username, kind):
    token = base64.b64encode('{}:{}'.format(username, ui.PASSWORD).encode()).decode()
    headers = {'Authorization': 'Basic ' + token, 'Accept': kind}
    return ui.app_of('www').test_client().get('/api/v1/config', headers=headers)


@pytest.mark.parametrize('kind', ['application/json', 'text/plain'])
@pytest.mark.parametrize('username', ['viewer', 'owner', 'admin'])
@pytest.mark.parametrize('setting', [None, 'False'])
def test_what_is_not_exposed_is_not_shown(username, kind, setting, monkeypatch):
    monkeypatch.delenv('AIRFLOW__WEBSERVER__EXPOSE_CONFIG', raising=False)
    if setting is not None:
        monkeypatch.setenv('AIRFLOW__WEBSERVER__EXPOSE_CONFIG', setting)

    response = get_config(username, kind)

    text = response.get_data(as_text=True)
    assert SECRET not in text
    assert os.environ['AIRFLOW__WEBSERVER__SECRET_KEY'] not in text
    assert response.status_code == 403


@pytest.mark.parametrize('kind', ['application/json', 'text/plain'])
def test_what_is_exposed_is_still_shown_to_who_may_read_it(kind, monkeypatch):
    monkeypatch.setenv('AIRFLOW__WEBSERVER__EXPOSE_CONFIG', 'True')

    response = get_config('viewer', kind)

    assert response.status_code == 200
    assert SECRET in response.get_data(as_text=True)
    assert get_config('nobody', kind).status_code == 401
