"""apache/airflow#15174: the API says that there is a run of that date already, and does not end in an error."""
import people
import pytest
import ui

DATE = ui.RUN_DATE.isoformat()


@pytest.fixture(autouse=True)
def fixture_runs(monkeypatch):
    # An error is an answer, as from a webserver
    monkeypatch.setitem(ui.app_of(ui.RBAC).config, 'PROPAGATE_EXCEPTIONS', False)
    ui.reset_runs()


def trigger(dag_id='own', **body):
    return people.api('admin', 'POST', '/dags/{}/dagRuns'.format(dag_id), json=body)


def test_a_run_with_the_date_of_another_is_refused():
    answer = trigger(dag_run_id='another', execution_date=DATE)
    assert answer.status_code == 409, 'the API ends in an error'
    assert 'manual__of the proof' in answer.json['detail']
    assert ui.runs_of('own') == ui.UNTOUCHED


def test_a_run_with_the_id_of_another_is_refused():
    answer = trigger(dag_run_id='manual__of the proof', execution_date='2021-07-01T00:00:00+00:00')
    assert answer.status_code == 409
    assert ui.runs_of('own') == ui.UNTOUCHED


def test_a_run_with_date_and_id_of_another_is_refused():
    assert trigger(dag_run_id='manual__of the proof', execution_date=DATE).status_code == 409


def test_a_run_whose_date_and_id_are_new_is_triggered():
    assert trigger(dag_run_id='another', execution_date='2021-07-01T00:00:00+00:00').status_code == 200
    assert trigger().status_code == 200
    assert len(ui.runs_of('own')[0]) == 3
