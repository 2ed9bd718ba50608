"""CVE-2020-11982: a Celery worker refuses messages that would have to be unpickled."""
import pickle

import pytest


@pytest.fixture(name='app')
def fixture_app(monkeypatch):
    """The Celery application of Airflow, with a broker in memory."""
    monkeypatch.setenv('AIRFLOW__CELERY__BROKER_URL', 'memory://')
    monkeypatch.setenv('AIRFLOW__CELERY__RESULT_BACKEND', 'cache+memory://')
    from airflow.executors.celery_executor import app

    return app


class MakesAFile:
    """Unpickling it makes a file: what an attacker would have a worker do."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


def receive(app, body, content_type, encoding):
    """Hands a message of the broker to what a worker decodes messages with."""
    from kombu.message import Message

    message = Message(
        body=body,
        content_type=content_type,
        content_encoding=encoding,
        # As Celery's consumer does it (celery.worker.consumer.tasks).
        accept=app.amqp.TaskConsumer(app.connection_for_read().default_channel, accept=app.conf.accept_content).accept,
    )
    return message.decode()


def test_a_pickled_message_is_refused_and_not_unpickled(app, tmp_path):
    from kombu.exceptions import ContentDisallowed

    marker = tmp_path / 'marker'
    failure = None

    try:
        receive(app, pickle.dumps(MakesAFile(str(marker))), 'application/x-python-serialize', 'binary')
    except Exception as error:  # pylint: disable=broad-except
        failure = error

    assert not marker.exists(), 'a worker unpickled what came from the broker'
    assert isinstance(failure, ContentDisallowed)


def test_the_messages_of_airflow_are_still_accepted(app):
    from kombu.serialization import dumps

    content_type, encoding, body = dumps([['airflow', 'run', 'dag', 'task']], serializer=app.conf.task_serializer)

    assert receive(app, body, content_type, encoding) == [['airflow', 'run', 'dag', 'task']]
    assert content_type == 'application/json'
