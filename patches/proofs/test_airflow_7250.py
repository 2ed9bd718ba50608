"""apache/airflow#7250: somebody is told of a task that has failed, also where the text of the error cannot be sent."""
import datetime

import pytest
import scheduling


@pytest.fixture(name='mailed')
def fixture_mailed(monkeypatch):
    """The mails that are delivered about a task that has failed, by a server that takes no mails with such words."""
    from airflow.models import DAG, TaskInstance, taskinstance
    from airflow.operators.dummy_operator import DummyOperator

    def mailed(error, refused):
        mails = []

        def send_email(to, subject, html_content):
            if refused in html_content:
                raise ValueError('refused')
            mails.append((to, html_content))

        monkeypatch.setattr(taskinstance, 'send_email', send_email)
        dag = DAG('own', start_date=datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc), schedule_interval=None)
        task = DummyOperator(task_id='task', email=['ann@example.invalid'], dag=dag)
        try:
            TaskInstance(task, scheduling.DAY).email_alert(Exception(error))
        except ValueError as refusal:
            return refusal
        return mails

    return mailed


def test_a_mail_is_sent_without_the_text(mailed):
    mails = mailed('a strange word', refused='strange')
    assert isinstance(mails, list) and len(mails) == 1, 'nobody is told of the task'
    (to, text), = mails
    assert to == ['ann@example.invalid'] and 'Mark success' in text


def test_a_mail_has_the_text_where_it_can_be_sent(mailed):
    (_, text), = mailed('another word', refused='strange')
    assert 'another word' in text


def test_a_server_that_takes_nothing_is_an_error_as_ever(mailed):
    assert isinstance(mailed('a word', refused=''), ValueError)
