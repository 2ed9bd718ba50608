"""CVE-2025-27555: secrets of connections that are added on the command line are not in the audit log."""
import commands
import pytest

SECRET = 'hunter2'
URIS = ['--conn-uri', '--conn_uri', '--conn-u']
EXTRAS = ['--conn-extra', '--conn_extra', '--conn_e']


def lines(options, value):
    begins = [('connections', 'add', 'mine'), ('connections', '-a', '--conn_id', 'mine')]
    for begin in begins:
        for option in options:
            yield begin + (option, value)
            yield begin + (option + '=' + value,)
            yield begin + (option, value, option, 'another')


@pytest.mark.parametrize('uri', ['http://me:hunter2@host/', 'http://host/?token=hunter2', 'http://:hunter2@host'])
def test_no_secret_of_a_uri_is_in_the_audit_log(uri):
    seen = [line for line, text in commands.known(lines(URIS, uri)).items() if SECRET in text]

    assert not seen, 'the URI of a connection is in the audit log'


@pytest.mark.parametrize('extra', ['{"password": "hunter2"}', '{"unusual": {"a": "hunter2"}}', 'hunter2', '{"a": "=hunter2"}'])
def test_no_secret_of_the_extra_is_in_the_audit_log(extra):
    seen = [line for line, text in commands.known(lines(EXTRAS, extra)).items() if SECRET in text]

    assert not seen, 'the extra of a connection is in the audit log'


def test_which_connection_was_added_is_still_logged():
    for line, text in commands.known(lines(URIS, 'http://me:hunter2@host/')).items():
        assert 'mine' in text and line[1] in text


def test_hosts_and_logins_are_still_logged():
    begins = [
        ('connections', 'add', 'mine', '--conn-type', 'http'),
        ('connections', '-a', '--conn_id', 'mine', '--conn_type', 'http'),
    ]
    words = [tuple(word.replace('-conn-', '-conn' + dash) for word in ('--conn-host', 'one.invalid', '--conn-login', 'me')) for dash in '-_']
    for text in commands.known([begin + more for begin in begins for more in words]).values():
        assert 'one.invalid' in text and "'me'" in text
