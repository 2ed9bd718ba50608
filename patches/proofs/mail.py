"""Mail servers for the proofs: with TLS from the beginning or by STARTTLS, and certificates that openssl makes."""
import os
import socket
import ssl
import subprocess
import threading

import pytest

PASSWORD = 'hunter2'


def make_certificate(folder, name, days=10, signed_by=None):
    """Writes a certificate for a name, with its key, to a file."""
    path = str(folder / '{}-{}-{}.pem'.format(name, days, 'signed' if signed_by else 'own'))
    key, request, extensions = path + '.key', path + '.csr', path + '.ext'
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=' + name, '-keyout', key, '-out', request)
    with open(extensions, 'w') as file:
        file.write('subjectAltName=DNS:{}\nbasicConstraints=CA:{}\n'.format(name, 'FALSE' if signed_by else 'TRUE'))
    signer = ['-CA', signed_by, '-CAkey', signed_by, '-CAcreateserial'] if signed_by else ['-signkey', key]
    openssl('x509', '-req', '-in', request, '-days', str(days), '-extfile', extensions, '-out', path + '.crt', *signer)
    with open(path, 'w') as file:
        for part in (key, path + '.crt'):
            with open(part) as source:
                file.write(source.read())
    return path


def openssl(*arguments):
    # Its own configuration, as one of this machine decides about extensions.
    environment = dict(os.environ, OPENSSL_CONF=os.devnull)
    process = subprocess.Popen(('openssl',) + arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(output.decode())


class Server:
    """A mail server on this machine that remembers what it was told."""

    def __init__(self, certificate, mode):
        self.mode, self.lines = mode, []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if hasattr(ssl, 'PROTOCOL_TLS_SERVER') else ssl.PROTOCOL_TLS)
        self._context.load_cert_chain(certificate)
        self._listener = socket.socket()
        self._listener.bind(('127.0.0.1', 0))
        self._listener.listen(5)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._listener.close()

    @property
    def has_mail(self):
        return 'DATA' in self.lines and '.' in self.lines

    @property
    def has_credentials(self):
        return any(line.upper().startswith('AUTH') for line in self.lines)

    def _serve(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            connection.settimeout(20)
            try:
                if self.mode in ('ssl', 'imap'):
                    connection = self._context.wrap_socket(connection, server_side=True)
                self._talk(connection)
            except (OSError, ssl.SSLError):
                pass
            finally:
                connection.close()

    def _talk(self, connection):
        reader = connection.makefile('rb')

        def say(text):
            connection.sendall(text.encode() + b'\r\n')

        say('* OK ready' if self.mode == 'imap' else '220 proof')
        in_data = False
        while True:
            line = reader.readline().decode().rstrip('\r\n')
            if not line:
                if in_data:
                    continue
                return
            self.lines.append(line.upper() if line.upper() == 'DATA' else line)
            word = line.upper().split(' ')[0]
            if self.mode == 'imap':
                tag, command = line.split(' ')[:2]
                if command == 'CAPABILITY':
                    say('* CAPABILITY IMAP4rev1')
                say('{} OK done'.format(tag))
            elif in_data:
                in_data = line != '.'
                if not in_data:
                    say('250 taken')
            elif word == 'EHLO':
                offers = ['AUTH PLAIN'] + ['STARTTLS'] * (self.mode == 'starttls')
                say('\r\n'.join(['250-proof'] + ['250-' + offer for offer in offers[:-1]] + ['250 ' + offers[-1]]))
            elif word == 'STARTTLS':
                say('220 go on')
                connection = self._context.wrap_socket(connection, server_side=True)
                reader = connection.makefile('rb')
                self.mode = 'inside'
            elif word == 'AUTH':
                say('235 welcome')
            elif word == 'DATA':
                in_data = True
                say('354 go on')
            elif word == 'QUIT':
                say('221 bye')
                return
            else:
                say('250 fine')


class Certificates:
    """Files of certificates: `good` and `authority` are what an administrator sets up."""

    def __init__(self, folder):
        self.authority = authority = make_certificate(folder, 'authority')
        self.good = make_certificate(folder, 'localhost', signed_by=authority)
        self.bad = {
            'made by itself': make_certificate(folder, 'localhost'),
            'for another name': make_certificate(folder, 'elsewhere.invalid', signed_by=authority),
            'expired': make_certificate(folder, 'localhost', days=-1, signed_by=authority),
        }


BAD = ['made by itself', 'for another name', 'expired']


def send(server, monkeypatch, ssl_context=None):
    """Sends a mail as a task does that failed; returns the error that ended it, or None."""
    from airflow.utils.email import send_email

    settings = {
        'SMTP_HOST': 'localhost',
        'SMTP_PORT': str(server.port),
        'SMTP_SSL': str(server.mode == 'ssl'),
        'SMTP_STARTTLS': str(server.mode == 'starttls'),
        'SMTP_USER': 'somebody',
        'SMTP_PASSWORD': PASSWORD,
        'SMTP_MAIL_FROM': 'airflow@example.invalid',
        'SMTP_TIMEOUT': '20',
        'SMTP_RETRY_LIMIT': '1',
    }
    for name, value in settings.items():
        monkeypatch.setenv('AIRFLOW__SMTP__' + name, value)
    if ssl_context is not None:
        monkeypatch.setenv('AIRFLOW__EMAIL__SSL_CONTEXT', ssl_context)
    try:
        send_email('you@example.invalid', 'a subject', 'what only the server may read')
    except Exception as error:  # pylint: disable=broad-except
        return error
    return None


@pytest.fixture(name='certificates', scope='module')
def fixture_certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp('certificates'))


@pytest.fixture(name='serve')
def fixture_serve(request, certificates, monkeypatch):
    """Starts a server, as the MODE of a proof says; the authority is one that this machine trusts."""
    monkeypatch.setenv('SSL_CERT_FILE', certificates.authority)
    servers = []

    def serve(certificate, mode=request.module.MODE):
        servers.append(Server(certificate, mode))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()
