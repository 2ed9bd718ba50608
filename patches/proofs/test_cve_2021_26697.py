"""CVE-2021-26697: the lineage endpoint of the experimental API asks who is there."""
import base64
import os

import pytest
import ui

# The setting below is read while the application is made.
pytestmark = pytest.mark.fresh_process

os.environ['AIRFLOW__API__ENABLE_EXPERIMENTAL_API'] = 'True'


@pytest.fixture(autouse=True)
def runs():
    ui.reset_runs()


def lineage(username=None, password=ui.PASSWORD):
    token = base64.b64encode('{}:{}'.format(username, password).encode()).decode()
    headers = {'Authorization': 'Basic ' + token} if username else {}
    path = '/api/experimental/lineage/own/' + ui.RUN_DATE.isoformat()
    return ui.app_of('www').test_client().get(path, headers=headers)


def test_an_anonymous_caller_reads_no_lineage():
    response = lineage()

    assert 'task_ids' not in response.get_data(as_text=True)
    assert response.status_code in (401, 403)


def test_neither_does_one_with_a_wrong_password():
    assert lineage('admin', 'a guess').status_code in (401, 403)


def test_an_authenticated_caller_still_does():
    response = lineage('admin')

    assert response.status_code == 200
    assert 'task_ids' in response.get_json()
