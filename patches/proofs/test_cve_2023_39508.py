"""CVE-2023-39508: the webserver starts no task itself, whatever the user may do with its DAG."""
import pytest
import ui

FORM = {
    'dag_id': 'own',
    'task_id': 'task',
    'execution_date': ui.RUN_DATE.isoformat(),
    'ignore_all_deps': 'true',
    'ignore_task_deps': 'true',
    'ignore_ti_state': 'true',
    'origin': '/',
}
PAGES = ['tree', 'graph', 'duration', 'tries', 'landing_times', 'gantt', 'code']
WHO = [(name, user) for name in ui.UIS for user in (['admin', 'owner', 'viewer'] if name == ui.RBAC else ['admin'])]


@pytest.fixture(autouse=True)
def queued(monkeypatch):
    """What the webserver gives to its executor, which is one that the button works with."""
    from airflow.executors.celery_executor import CeleryExecutor

    tasks = []

    class Executor(CeleryExecutor):
        def __init__(self):
            super().__init__()
            self.job_id = None

        def start(self):
            tasks.append('start')

        def heartbeat(self):
            pass

        def queue_task_instance(self, task_instance, *args, **kwargs):
            tasks.append(task_instance.task_id)

    executor = Executor()
    try:
        from airflow.executors.executor_loader import ExecutorLoader

        monkeypatch.setattr(ExecutorLoader, 'get_default_executor', classmethod(lambda cls: executor))
    except ImportError:
        from airflow import executors

        monkeypatch.setattr(executors, 'get_default_executor', lambda: executor)
    ui.reset_runs()
    return tasks


def run(name, username, method, **values):
    return ui.client_of(name, username).open(ui.url_of(name, 'run'), method=method, **values)


@pytest.mark.parametrize('name, username', WHO)
def test_nobody_has_the_webserver_start_a_task(name, username, queued):
    response = run(name, username, 'POST', data=FORM)

    assert queued == []
    assert response.status_code in (404, 405)


@pytest.mark.parametrize('values', [{'data': FORM, 'query_string': FORM}, {'query_string': FORM}, {'json': FORM}])
@pytest.mark.parametrize('method', ['POST', 'GET', 'HEAD', 'PUT', 'OPTIONS'])
@pytest.mark.parametrize('name', ui.UIS)
def test_neither_does_another_way_to_ask(name, method, values, queued):
    response = run(name, 'admin', method, **values)

    assert queued == []
    assert response.status_code in (404, 405)


@pytest.mark.parametrize('name', ui.UIS)
def test_no_rule_leads_to_a_view_that_does(name):
    rules = [rule for rule in ui.app_of(name).url_map.iter_rules() if rule.rule.rstrip('/').endswith('/run')]

    assert rules == []


@pytest.mark.parametrize('page', PAGES)
@pytest.mark.parametrize('name', ui.UIS)
def test_pages_are_shown_without_the_button(name, page):
    response = ui.client_of(name).get(ui.url_of(name, page), query_string={'dag_id': 'own'})

    text = response.get_data(as_text=True)
    assert response.status_code == 200
    assert 'btn_run' not in text
    assert 'ignore_all_deps' not in text


@pytest.mark.parametrize('page', ['task', 'log'])
@pytest.mark.parametrize('name', ui.UIS)
def test_pages_of_a_task_are_still_shown(name, page):
    query = {'dag_id': 'own', 'task_id': 'task', 'execution_date': ui.RUN_DATE.isoformat()}
    response = ui.client_of(name).get(ui.url_of(name, page), query_string=query)

    assert response.status_code == 200


@pytest.mark.parametrize('name', ui.UIS)
def test_a_task_is_still_run_again_by_clearing_it(name, queued):
    form = dict(FORM, confirmed='true')
    page = ui.client_of(name).get(ui.url_of(name, 'tree'), query_string={'dag_id': 'own'}).get_data(as_text=True)

    ui.client_of(name).post(ui.url_of(name, 'clear'), data=form)

    assert ui.url_of(name, 'clear') in page
    assert ui.runs_of('own')[1] == ['None']
    assert queued == []
