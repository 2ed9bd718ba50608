"""CVE-2026-49267: mail after STARTTLS goes to servers with a good certificate only."""
import ssl

import mail
import pytest
from mail import fixture_certificates, fixture_serve  # noqa: F401

MODE = 'starttls'


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
