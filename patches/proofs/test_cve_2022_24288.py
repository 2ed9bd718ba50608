"""CVE-2022-24288: params of the bundled example DAGs never become part of a bash command."""
import datetime
import json
import os
import subprocess
import sys
from collections import namedtuple

import pytest
from examples import TODAY, lines_of_tasks, path_of, trigger_and_run

Example = namedtuple('Example', 'dag_id, task_id, param, others')

EXAMPLES = [
    Example('example_passing_params_via_test_command', 'also_run_this', 'foo', {}),
    Example('example_passing_params_via_test_command', 'also_run_this', 'miff', {'foo': 'plain'}),
    Example('tutorial', 'templated', 'my_param', {}),
]
TEST_COMMAND_EXAMPLE = EXAMPLES[0]
TUTORIAL = EXAMPLES[2]

# Each has bash make the file MARKER if any part of the value is parsed as a command.
PAYLOADS = {
    'substitution': '$(touch MARKER)',
    'backticks': '`touch MARKER`',
    'substitution in a parameter expansion': '${unset:-$(touch MARKER)}',
    'leaving double or single quotes': '''"; touch MARKER; ": '; touch MARKER; ':''',
    'newlines': '"\ntouch MARKER\n"',
    'comment': '" && touch MARKER #',
}

@pytest.fixture(params=EXAMPLES, ids=lambda example: example.dag_id + ' ' + example.param)
def example(request):
    return request.param


@pytest.fixture
def log():
    with lines_of_tasks() as lines:
        yield lines


def tasks_test(example, params):
    """Returns the output of `airflow tasks test` with these params."""
    import airflow.version

    flat = airflow.version.version.startswith('1.')
    command, option = (['test'], '--task_params') if flat else (['tasks', 'test'], '--task-params')
    arguments = ['--subdir', path_of(example.dag_id), option, json.dumps(params)]
    arguments += [example.dag_id, example.task_id, '2021-06-01']  # no run has this date, whose conf would win
    process = subprocess.Popen(
        [os.path.join(os.path.dirname(sys.executable), 'airflow')] + command + arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    return process.communicate()[0]


@pytest.mark.parametrize('payload', list(PAYLOADS.values()), ids=list(PAYLOADS))
def test_a_triggered_run_prints_the_param_and_executes_nothing_of_it(example, payload, tmp_path, log):
    marker = tmp_path / 'marker'
    value = payload.replace('MARKER', str(marker))
    failure = None

    try:
        trigger_and_run(example.dag_id, example.task_id, dict(example.others, **{example.param: value}))
    except Exception as error:  # pylint: disable=broad-except
        failure = error

    assert not marker.exists(), 'bash executed what the user who triggered the DAG sent'
    assert failure is None
    assert value in '\n'.join(log)


@pytest.mark.parametrize('example', [TEST_COMMAND_EXAMPLE, TUTORIAL], ids=lambda example: example.dag_id)
def test_the_test_command_prints_the_param_and_executes_nothing_of_it(example, tmp_path):
    marker = tmp_path / 'marker'
    value = 'before $(touch {}) after'.format(marker)

    output = tasks_test(example, {example.param: value})

    assert not marker.exists(), 'bash executed what was given as a param'
    assert 'Command exited with return code 0' in output
    assert value in output


def test_the_test_command_still_prints_ordinary_params():
    output = tasks_test(TEST_COMMAND_EXAMPLE, {'foo': 'bar baz'})

    assert " 'foo was passed in via Airflow CLI Test command with value bar baz" in output
    assert " 'miff was passed in via BashOperator with value agg" in output
    assert 'Command exited with return code 0' in output


@pytest.mark.parametrize('value', ['bar', 'two  words', 'don\'t; stop & <go> *', 42])
def test_a_triggered_run_still_prints_ordinary_params(example, value, log):
    trigger_and_run(example.dag_id, example.task_id, dict(example.others, **{example.param: value}))

    assert str(value) in '\n'.join(log)


def test_the_tutorial_still_prints_its_own_param_and_dates_five_times(log):
    trigger_and_run(TUTORIAL.dag_id, TUTORIAL.task_id, {})

    assert log.count('Parameter I passed in') == 5
    assert log.count(TODAY.strftime('%Y-%m-%d')) == 5
    assert log.count((TODAY + datetime.timedelta(days=7)).strftime('%Y-%m-%d')) == 5


def test_commands_are_still_looked_up_in_the_path_of_the_worker(example, tmp_path, monkeypatch, log):
    bash = tmp_path / 'bash'
    bash.write_text('#!/bin/sh\necho "bash of this worker"\nexec /bin/bash "$@"\n')
    bash.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)

    trigger_and_run(example.dag_id, example.task_id, dict(example.others, **{example.param: 'bar'}))

    assert 'bash of this worker' in log
