"""apache/airflow#16233: the link in the mail about a failed task marks it as successful, after it has asked."""
import pytest
import ui


def task():
    """A task that has failed."""
    from airflow.models import TaskInstance

    ui.reset_runs('failed')
    return TaskInstance(ui._dag('own').get_task('task'), ui.RUN_DATE)


def followed(url, username='admin'):
    """What somebody sees who follows a link in a mail."""
    path = '/' + url.split('://', 1)[-1].split('/', 1)[-1]
    return ui.client_of(ui.RBAC, username).get(path), path


def test_the_link_in_the_mail_marks_the_task_after_a_question():
    answer, path = followed(task().mark_success_url)
    assert answer.status_code == 200, 'the link leads to an error'
    assert 'own.task' in answer.get_data(as_text=True)
    assert ui.runs_of('own')[1] == ['failed'], 'a link changes nothing by itself'

    fields = {name: values[0] for name, values in ui.Page(answer.get_data(as_text=True)).fields.items()}
    done = ui.client_of(ui.RBAC).post(path, data=fields)
    assert done.status_code == 302 and ui.destination(done.headers['Location']) == ui.HERE
    assert ui.runs_of('own')[1] == ['success']
    assert ui.runs_of('other')[1] == ['failed']


# No page of 1.10 is shown for what is no date: it is written down before the page is asked for.
ELSEWHERE = [('dag_id=own', 'dag_id=none'), ('task_id=task', 'task_id=none'), ('execution_date=2021', 'execution_date=nothing')]


@pytest.mark.parametrize('changed', ELSEWHERE[: 2 if ui.IS_1 else 3])
def test_a_link_to_what_is_not_there_leads_home(changed):
    url = task().mark_success_url
    assert changed[0] in url
    answer, _ = followed(url.replace(*changed))
    assert answer.status_code in (302, 404), 'the link leads to an error'
    assert ui.runs_of('own')[1] == ['failed']


def test_who_may_not_edit_the_dag_is_not_asked():
    answer, path = followed(task().mark_success_url, 'viewer')
    assert answer.status_code in (302, 403, 405)
    assert ui.client_of(ui.RBAC, 'viewer').post(path, data={'dag_id': 'own', 'task_id': 'task'}).status_code in (302, 403)
    assert ui.runs_of('own')[1] == ['failed']
