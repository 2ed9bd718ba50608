"""CVE-2023-39441: mail over SSL goes to servers with a good certificate only."""
import importlib.util
import socket
import ssl

import mail
import pytest
from mail import fixture_certificates, fixture_serve  # noqa: F401

MODE = 'ssl'


@pytest.mark.parametrize('kind', mail.BAD)
def test_a_server_with_a_bad_certificate_gets_no_mail_and_no_password(serve, certificates, monkeypatch, kind):
    server = serve(certificates.bad[kind])

    error = mail.send(server, monkeypatch)

    assert not server.has_credentials, 'a server whose certificate is {} was told the password'.format(kind)
    assert not server.has_mail, 'a server whose certificate is {} was sent mail'.format(kind)
    assert isinstance(error, ssl.SSLError) or 'certificate' in repr(error).lower(), repr(error)


def test_a_server_with_a_good_certificate_gets_both(serve, certificates, monkeypatch):
    server = serve(certificates.good)

    error = mail.send(server, monkeypatch)

    assert error is None and server.has_credentials and server.has_mail


def test_the_check_can_be_switched_off(serve, certificates, monkeypatch):
    server = serve(certificates.bad['made by itself'])

    assert mail.send(server, monkeypatch, ssl_context='none') is None
    assert server.has_mail


def test_a_misspelt_option_switches_nothing_off(serve, certificates, monkeypatch):
    server = serve(certificates.bad['made by itself'])

    error = mail.send(server, monkeypatch, ssl_context='None')

    assert not server.has_mail, 'a server with a bad certificate was sent mail'
    assert 'ssl_context' in str(error)


def test_mail_without_encryption_is_still_sent(serve, certificates, monkeypatch):
    server = serve(certificates.good, 'plain')

    assert mail.send(server, monkeypatch) is None
    assert server.has_mail


@pytest.fixture(name='read')
def fixture_read(serve, monkeypatch):
    """Opens a mailbox with the hook that 1.10 brings along."""
    if importlib.util.find_spec('airflow.www_rbac') is None:
        pytest.skip('the hook is of a provider, not of this version')
    from airflow.contrib.hooks import imap_hook as hooks

    def read(certificate, **options):
        server = serve(certificate, 'imap')
        connect = socket.create_connection
        monkeypatch.setattr(socket, 'create_connection', lambda address, *rest, **more: connect(('127.0.0.1', server.port), *rest, **more))
        monkeypatch.setenv('AIRFLOW_CONN_IMAP_DEFAULT', 'imap://somebody:hunter2@localhost')
        for name, value in options.items():
            monkeypatch.setenv('AIRFLOW__EMAIL__' + name.upper(), value)
        try:
            with hooks.ImapHook():
                pass
        except Exception as error:  # pylint: disable=broad-except
            return server, error
        return server, None

    return read


@pytest.mark.parametrize('kind', mail.BAD)
def test_nor_is_a_mailbox_opened_on_one(read, certificates, kind):
    server, error = read(certificates.bad[kind])

    assert error is not None, 'a server whose certificate is {} was told the password'.format(kind)
    assert not any(mail.PASSWORD in line for line in server.lines)


def test_a_mailbox_is_opened_where_the_certificate_is_good_or_not_looked_at(read, certificates):
    assert read(certificates.good)[1] is None
    assert read(certificates.bad['expired'], ssl_context='none')[1] is None
