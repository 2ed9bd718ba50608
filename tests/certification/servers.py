"""MariaDB, slapd and a KDC for a test: on 127.0.0.1, in a folder of their own, with certificates of a CA of ours."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.effects.processes import answers, background, clean_environment, free_port, run

_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Certificates:
    """A CA with a certificate for localhost, and another CA that nobody trusts."""

    ca: Path
    stranger: Path
    certificate: Path
    key: Path


def certificates(folder: Path) -> Certificates:
    """They are in the folder, made with openssl(1), and valid for a day."""
    for name in ("ca", "stranger"):
        _openssl(
            folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem",
        )  # fmt: skip
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    _openssl(
        folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
        "-keyout", "server.key", "-out", "server.csr",
    )  # fmt: skip
    _openssl(
        folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "1", "-extfile", "names", "-out", "server.pem",
    )  # fmt: skip
    # Servers give root away; their own users must be able to read them.
    for path in folder.iterdir():
        path.chmod(0o644)
    return Certificates(folder / "ca.pem", folder / "stranger.pem", folder / "server.pem", folder / "server.key")


@contextlib.contextmanager
def mariadb(folder: Path, given: Certificates) -> Iterator[int]:
    """The port of a MariaDB with the user `airflow` and the password `secret`, who must come by TLS."""
    data = folder / "data"
    own = ["--no-defaults", f"--user={_user()}", f"--datadir={data}"]
    run([_program("mariadb-install-db"), *own, "--auth-root-authentication-method=normal"])
    start = folder / "start.sql"
    # Without the second one, an anonymous user of localhost would be taken for it.
    users = [f"CREATE USER {name} IDENTIFIED BY 'secret' REQUIRE SSL;\n" for name in ("airflow", "airflow@localhost")]
    start.write_text("".join(users))
    port = free_port()
    words = [
        _program("mariadbd"), *own, f"--port={port}", "--bind-address=127.0.0.1",
        f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", f"--init-file={start}",
        f"--ssl-ca={given.ca}", f"--ssl-cert={given.certificate}", f"--ssl-key={given.key}",
    ]  # fmt: skip
    with _running(words, folder, port):
        yield port


@contextlib.contextmanager
def slapd(folder: Path, given: Certificates) -> Iterator[int]:
    """The port of an LDAP server that speaks TLS only, with cn=admin,dc=example and the password `secret`."""
    (folder / "data").mkdir()
    (folder / "slapd.conf").write_text(
        f"""\
include /etc/ldap/schema/core.schema
pidfile {folder}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {given.ca}
TLSCertificateFile {given.certificate}
TLSCertificateKeyFile {given.key}
database mdb
suffix dc=example
rootdn cn=admin,dc=example
rootpw secret
directory {folder}/data
"""
    )
    port = free_port()
    words = [_program("slapd"), "-d", "0", "-f", folder / "slapd.conf", "-h", f"ldaps://127.0.0.1:{port}"]
    with _running(words, folder, port):
        yield port


@contextlib.contextmanager
def kdc(folder: Path) -> Iterator[dict[str, str]]:
    """What a client of a KDC finds in its environment: the realm TEST, and the key of the user `airflow`."""
    port = free_port()
    (folder / "krb5.conf").write_text(
        f"""\
[libdefaults]
default_realm = TEST
dns_lookup_kdc = false
dns_canonicalize_hostname = false
rdns = false
[realms]
TEST = {{
    kdc = 127.0.0.1:{port}
}}
"""
    )
    (folder / "kdc.conf").write_text(
        f"""\
[realms]
TEST = {{
    database_name = {folder}/principal
    key_stash_file = {folder}/stash
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
}}
"""
    )
    env = clean_environment(KRB5_CONFIG=str(folder / "krb5.conf"), KRB5_KDC_PROFILE=str(folder / "kdc.conf"))
    run([_program("kdb5_util"), "create", "-s", "-r", "TEST", "-P", "master"], env=env)
    keys = folder / "client.keytab"
    for query in (
        "addprinc -randkey airflow@TEST", "addprinc -randkey hive/localhost@TEST", f"ktadd -k {keys} airflow@TEST",
    ):  # fmt: skip
        run([_program("kadmin.local"), "-r", "TEST", "-q", query], env=env)
    with _running([_program("krb5kdc"), "-n"], folder, port, env):
        yield {
            "KRB5_CONFIG": str(folder / "krb5.conf"),
            "KRB5_CLIENT_KTNAME": f"FILE:{keys}",
            "KRB5CCNAME": f"FILE:{folder / 'tickets'}",
        }


@contextlib.contextmanager
def _running(words: Sequence[str | Path], folder: Path, port: int, env: dict[str, str] | None = None) -> Iterator[None]:
    log = folder / "log"
    with background(words, cwd=folder, env=env or clean_environment(), log=log) as runs:
        until = time.monotonic() + _PATIENCE
        while not answers(port):
            assert runs(), log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < until, log.read_text(errors="replace")[-2000:]
            time.sleep(0.1)
        yield


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found is not None, name
    return found


def _user() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


def _openssl(folder: Path, *words: str) -> None:
    run(["openssl", *words], cwd=folder)
