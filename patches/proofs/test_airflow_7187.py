"""apache/airflow#7187: mails about missed SLAs are sent, and DAGs scheduled, although a task is gone."""
import datetime

import scheduling


def told(*task_ids):
    """Who gets a mail when these tasks have missed their SLAs, of a DAG that has `task` only."""
    from airflow.jobs import scheduler_job
    from airflow.models import DAG, SlaMiss
    from airflow.operators.dummy_operator import DummyOperator
    from airflow.utils import timezone

    dag = DAG('own', start_date=timezone.datetime(2021, 6, 1), schedule_interval='@daily')
    DummyOperator(task_id='task', dag=dag, sla=datetime.timedelta(hours=1), email='ann@example.invalid')
    with scheduling.session() as session:
        session.query(SlaMiss).delete()
        for task_id in task_ids:
            session.add(SlaMiss(task_id=task_id, dag_id='own', execution_date=scheduling.DAY, timestamp=scheduling.DAY))
    mails = []
    before, scheduler_job.send_email = scheduler_job.send_email, lambda to, *args, **kwargs: mails.extend(to)
    try:
        scheduler_job.SchedulerJob(dag_id='own').manage_slas(dag)
    except Exception as error:  # pylint: disable=broad-except
        return error
    finally:
        scheduler_job.send_email = before
    return mails


def test_a_mail_is_sent_although_a_task_is_gone():
    assert told('task', 'gone') == ['ann@example.invalid'], 'the file is read no further'


def test_of_a_task_that_is_gone_nobody_is_told():
    assert told('gone') == []


def test_a_mail_is_sent_as_ever():
    assert told('task') == ['ann@example.invalid']
