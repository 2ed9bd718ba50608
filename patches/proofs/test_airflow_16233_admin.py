"""apache/airflow#16233: the link in the mail about a failed task leads to the website without roles, where that is used."""
import pytest
import ui


@pytest.fixture(name='url')
def fixture_url(monkeypatch):
    """The link in the mail about a task that has failed."""
    from airflow.models import TaskInstance

    ui.reset_runs('failed')
    ui.app_of('www')
    monkeypatch.setenv('AIRFLOW__WEBSERVER__RBAC', 'False')
    url = TaskInstance(ui._dag('own').get_task('task'), ui.RUN_DATE).mark_success_url
    return '/' + url.split('://', 1)[-1].split('/', 1)[-1]


def test_the_link_in_the_mail_marks_the_task_after_a_question(url):
    answer = ui.client_of('www').get(url)
    assert answer.status_code == 200, 'the link leads to an error'
    assert 'own.task' in answer.get_data(as_text=True)
    assert ui.runs_of('own')[1] == ['failed'], 'a link changes nothing by itself'

    fields = {name: values[0] for name, values in ui.Page(answer.get_data(as_text=True)).fields.items()}
    done = ui.client_of('www').post(url, data=fields)
    assert done.status_code == 302 and ui.destination(done.headers['Location']) == ui.HERE
    assert ui.runs_of('own')[1] == ['success']
    assert ui.runs_of('other')[1] == ['failed']


@pytest.mark.parametrize('changed', [('dag_id=own', 'dag_id=none'), ('task_id=task', 'task_id=none')])
def test_a_link_to_what_is_not_there_leads_home(url, changed):
    assert changed[0] in url
    assert ui.client_of('www').get(url.replace(*changed)).status_code in (302, 404), 'the link leads to an error'
    assert ui.runs_of('own')[1] == ['failed']
