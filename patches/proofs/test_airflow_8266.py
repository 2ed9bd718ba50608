"""apache/airflow#8266: the code that is shown of a DAG file is its own, however soon it is changed again."""
import os
import time

import pytest


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'dag.py')


def written(path, text, ago=0):
    """The file has this text since so many seconds, and the scheduler has told the database."""
    from airflow.models.dagcode import DagCode

    with open(path, 'w') as file:
        file.write(text)
    when = time.time() - ago
    os.utime(path, (when, when))
    DagCode.bulk_sync_to_db([path])


def shown(path):
    """The code that the page shows of it, as a webserver without files of DAGs reads it."""
    from airflow.models.dagcode import DagCode

    return DagCode._get_code_from_db(path)


def test_a_change_that_follows_soon_is_shown(path):
    for number in range(3):
        written(path, 'number = {}\n'.format(number))
        time.sleep(0.05)
        assert shown(path) == 'number = {}\n'.format(number), 'an old text is shown'


def test_a_file_that_was_changed_long_after_is_shown(path):
    written(path, 'old\n', ago=900)
    written(path, 'new\n')
    assert shown(path) == 'new\n'


def test_a_file_that_has_not_changed_is_not_written_again(path):
    from airflow.models.dagcode import DagCode

    written(path, 'text\n', ago=60)
    with open(path, 'w') as file:
        file.write('other\n')
    os.utime(path, (time.time() - 60, time.time() - 3600))
    DagCode.bulk_sync_to_db([path])
    assert shown(path) == 'text\n'
