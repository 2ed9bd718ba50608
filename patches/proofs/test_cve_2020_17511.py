"""CVE-2020-17511: passwords that are typed as arguments of a command are not in the audit log, however they are typed."""
import itertools

import commands
import pytest
import ui

SECRET = 'hunter2'
PASSWORDS = ['--password', '--passwor', '--passw', '--pass', '--pas', '-p']
CONNECTION_PASSWORDS = ['--conn-password', '--conn_password', '--conn-pass', '--conn_pass', '--conn-p', '--conn_p']
USER = ('-u', 'somebody', '-r', 'Viewer', '-e', 'a@example.invalid', '-f', 'A', '-l', 'B')


def forms(option):
    yield option, SECRET
    yield (option + '=' + SECRET,)
    if option == '-p':
        yield (option + SECRET,)
    # The last one counts, but the first is typed as well.
    yield option, SECRET, option, 'another'


def users():
    for command in [('users', 'create'), ('create_user',), ('users', '-c'), ('users', '--create')]:
        for form in itertools.chain.from_iterable(forms(option) for option in PASSWORDS):
            yield command + USER + form


def connections():
    for begin in [('connections', 'add', 'mine'), ('connections', '-a', '--conn_id', 'mine')]:
        for form in itertools.chain.from_iterable(forms(option) for option in CONNECTION_PASSWORDS):
            for kind in ('--conn-type', '--conn_type'):
                yield begin + (kind, 'http') + form


def flowers():
    for option in ('--basic-auth', '--basic_auth', '--basic', '-A', '-ba'):
        yield ('celery', 'flower', option, 'me:' + SECRET)
        yield ('flower', option + '=me:' + SECRET)
    for option in ('--broker-api', '--broker_api', '-a'):
        yield ('celery', 'flower', option, 'http://me:' + SECRET + '@host')
        yield ('flower', option, 'http://me:' + SECRET + '@host')


@pytest.fixture(autouse=True)
def nothing_is_started(monkeypatch):
    """Users, connections and flower themselves are not what is proven here."""
    import os

    def started(*args):
        raise SystemExit('started')

    ui.app_of(ui.RBAC)
    monkeypatch.setattr(os, 'execvp', started)
    # 2.x has commands of Celery with its executor only.
    monkeypatch.setenv('AIRFLOW__CORE__EXECUTOR', 'CeleryExecutor')
    try:
        from airflow.cli.commands import celery_command, user_command

        monkeypatch.setattr(celery_command.FlowerCommand, 'execute_from_commandline', started)
        monkeypatch.setattr(user_command, 'cached_app', started)
    except ImportError:
        from airflow.bin import cli

        monkeypatch.setattr(cli, 'cached_appbuilder', started)


@pytest.mark.parametrize('lines', [users, connections, flowers])
def test_no_password_is_in_the_audit_log(lines):
    seen = [line for line, text in commands.known(lines()).items() if SECRET in text]

    assert not seen, 'passwords of commands are in the audit log'


def test_what_else_was_typed_is_still_logged():
    for line, text in commands.known(users()).items():
        for word in line[1:]:
            assert SECRET in word or word == 'another' or "'{}'".format(word) in text, text
    texts = commands.known(connections()).values()
    assert all('mine' in text and 'http' in text for text in texts)


def test_a_port_is_no_password():
    """-p is the port of a webserver."""
    lines = [('celery', 'flower', '-p', '5556'), ('flower', '-p', '5556'), ('flower', '-p5556')]

    assert all('5556' in text for text in commands.known(lines).values()), 'the audit log hides a port'
