"""apache/airflow#13684: the API answers with the value of an XCom."""
import people
import ui


def test_an_xcom_has_its_value():
    from airflow.models import XCom

    ui.reset_runs()
    XCom.set(key='answer', value={'is': 42}, task_id='task', dag_id='own', execution_date=ui.RUN_DATE)

    answer = people.api('admin', 'GET', '/dags/own/dagRuns/manual__of the proof/taskInstances/task/xcomEntries/answer')

    assert answer.status_code == 200
    assert answer.json['key'] == 'answer'
    assert '42' in str(answer.json.get('value')), 'the XCom has no value'
