"""Compiled wheels load where they say: on the C library of Debian 11, and they talk to real servers from there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import old_system
import pytest
import servers
from auditwheel.elfutils import elf_find_versioned_symbols
from elftools.elf.elffile import ELFFile
from old_system import OldPython
from packaging.utils import canonicalize_name, parse_wheel_filename
from servers import Certificates

from astronomer_certified.artifacts import Python
from astronomer_certified.pythons import environments, interpreters
from astronomer_certified.workspace import Workspace
from documented import ROOT, Terminal

pytestmark = pytest.mark.airflow

WORKSPACE = Workspace.at(ROOT)
PYTHONS = ("3.6", "3.7", "3.8")
# What the pure parts of these wheels import.
BESIDE = ["six", "pyasn1", "pyasn1-modules", "future"]


@pytest.fixture(scope="session")
def wheels() -> list[Path]:
    """The wheels that were compiled for a release: its folder has those of others that share its index, and upstream's,
    which have no build number."""
    Terminal(folder=ROOT, env=dict(os.environ)).types("certified wheelhouse 2.1.0")
    pinned = set()
    for wanted in PYTHONS:
        text = (ROOT / "constraints" / "2.1.0" / f"constraints-{wanted}.txt").read_text(encoding="utf-8")
        pinned |= {(canonicalize_name(name), version) for name, version in re.findall(r"^(\S+)==(\S+)", text, re.M)}
    built = sorted((ROOT / "dist" / "2.1.0" / "wheelhouse").glob("*-cp3*.whl"))
    parts = {path: parse_wheel_filename(path.name) for path in built}
    found = [path for path, (name, version, build, _) in parts.items() if build and (name, str(version)) in pinned]
    assert found
    return found


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb on this machine")
    return old_system.libraries(WORKSPACE, tmp_path_factory.mktemp("debian11"))


@pytest.fixture(scope="session", params=PYTHONS)
def old(
    request: pytest.FixtureRequest, wheels: list[Path], system: Path, tmp_path_factory: pytest.TempPathFactory
) -> OldPython:
    """A Python on the older C library, with all compiled wheels that are for it."""
    wanted = Python.parse(request.param)
    interpreter = interpreters.find(wanted)
    if interpreter is None:
        pytest.skip(f"no Python {wanted} on this machine")
    folder = tmp_path_factory.mktemp(f"old{wanted}")
    packages = old_system.unpacked(
        [path for path in wheels if f"-cp{wanted.tag[2:]}-" in path.name], folder / "packages"
    )
    environment = folder / "environment"
    environments.create(environment, interpreter)
    environments.uv_call(
        [
            interpreters.uv(),
            "pip",
            "install",
            "--quiet",
            "--python",
            environments.python_of(environment),
            "--target",
            packages,
            *BESIDE,
        ]
    )
    return old_system.python(interpreter, system, packages, WORKSPACE, folder)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return servers.certificates(tmp_path_factory.mktemp("certificates"))


def test_every_compiled_wheel_is_manylinux2014_and_wants_no_younger_symbol(wheels: list[Path], tmp_path: Path) -> None:
    for wheel in wheels:
        assert all("manylinux" in tag.platform for tag in parse_wheel_filename(wheel.name)[3])
        shown = subprocess.run(
            [sys.executable, "-m", "auditwheel", "show", wheel], capture_output=True, text=True, check=True
        )
        # An extension that links nothing would do with an older one still.
        assert re.search(r'platform tag:\s+"manylinux_2_(5|12|17)_x86_64"', shown.stdout), shown.stdout
        folder = old_system.unpacked([wheel], tmp_path / wheel.name)
        for path in folder.rglob("*.so"):
            with path.open("rb") as stream:
                for library, version in elf_find_versioned_symbols(ELFFile(stream)):
                    number = version.removeprefix("GLIBC_").split(".")
                    assert version.startswith("GLIBC_"), (wheel.name, library, version)
                    assert [int(part) for part in number] <= [2, 17], (wheel.name, version)


def test_every_extension_loads_on_an_older_glibc(old: OldPython) -> None:
    modules = sorted(
        path.relative_to(old.packages).as_posix().split(".")[0].replace("/", ".") for path in old.packages.rglob("*.so")
    )
    assert {"_ldap", "MySQLdb._mysql", "kerberos", "sasl.saslwrapper", "pyodbc"} <= {*modules}
    loaded = f"import importlib, os\nfor name in {modules}: importlib.import_module(name)\n"
    assert old.runs(f"{loaded}print(os.confstr('CS_GNU_LIBC_VERSION'))").stdout.strip() == "glibc 2.31"


MYSQL = """
from MySQLdb import _mysql
connection = _mysql.connect(host='127.0.0.1', port={port}, user='airflow', passwd='secret', ssl={{'ca': '{ca}'}})
connection.query("SHOW STATUS LIKE 'Ssl_version'")
print(connection.store_result().fetch_row()[0][1].decode())
"""


@pytest.fixture(scope="module")
def mysql_port(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with servers.mariadb(tmp_path_factory.mktemp("mariadb"), certificates) as port:
        yield port


@pytest.mark.needs("mariadbd")
def test_mysqlclient_speaks_tls_to_who_has_a_certificate_of_the_right_ca(
    old: OldPython, mysql_port: int, certificates: Certificates
) -> None:
    assert old.runs(MYSQL.format(port=mysql_port, ca=certificates.ca)).stdout.strip() == "TLSv1.3"
    refused = old.runs(MYSQL.format(port=mysql_port, ca=certificates.stranger), check=False)
    assert refused.returncode != 0
    assert "self-signed certificate" in refused.stderr


LDAP = """
import ldap
connection = ldap.initialize('ldaps://127.0.0.1:{port}')
connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
if {ca!r}:
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, {ca!r})
connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
connection.simple_bind_s('cn=admin,dc=example', 'secret')
print(connection.whoami_s())
"""


@pytest.fixture(scope="module")
def ldap_port(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with servers.slapd(tmp_path_factory.mktemp("slapd"), certificates) as port:
        yield port


@pytest.mark.needs("slapd")
def test_python_ldap_speaks_tls_to_who_has_a_certificate_of_the_right_ca(
    old: OldPython, ldap_port: int, certificates: Certificates
) -> None:
    known = {"LDAPNOINIT": "1"}
    assert old.runs(LDAP.format(port=ldap_port, ca=str(certificates.ca)), **known).stdout == "dn:cn=admin,dc=example\n"
    refused = old.runs(LDAP.format(port=ldap_port, ca=str(certificates.stranger)), check=False, **known)
    assert refused.returncode != 0
    assert "certificate verify failed" in refused.stderr


@pytest.mark.needs("slapd")
def test_the_machines_certificates_are_trusted_unless_a_variable_names_others(
    old: OldPython, ldap_port: int, certificates: Certificates
) -> None:
    script = LDAP.format(port=ldap_port, ca="")
    named = old.runs(script, LDAPNOINIT="1", SSL_CERT_FILE=str(certificates.ca))
    assert named.stdout == "dn:cn=admin,dc=example\n"
    # This CA is none of the machine's.
    assert old.runs(script, check=False, LDAPNOINIT="1").returncode != 0


# In a mount namespace of its own (unshare(1)), a machine whose /etc holds nothing but those certificates.
ELSEWHERE = 'mount -t tmpfs none /etc && mkdir -p "$(dirname "$2")" && cp "$1" "$2" && shift 2 && exec "$@"'


@pytest.mark.needs("slapd")
@pytest.mark.parametrize(
    "place",
    [
        "/etc/ssl/certs/ca-certificates.crt",  # Debian
        "/etc/pki/tls/certs/ca-bundle.crt",  # Red Hat
        "/etc/ssl/ca-bundle.pem",  # SUSE
        "/etc/ssl/cert.pem",  # Alpine
    ],
)
def test_the_machines_certificates_are_found_where_its_distribution_keeps_them(
    old: OldPython, ldap_port: int, certificates: Certificates, place: str
) -> None:
    namespace = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*namespace, "mount -t tmpfs none /etc"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    script, before = LDAP.format(port=ldap_port, ca=""), [*namespace, ELSEWHERE, "sh"]
    found = old.runs(script, before=[*before, str(certificates.ca), place], LDAPNOINIT="1")
    assert found.stdout == "dn:cn=admin,dc=example\n"
    stranger = old.runs(script, check=False, before=[*before, str(certificates.stranger), place], LDAPNOINIT="1")
    assert stranger.returncode != 0


GSSAPI = """
import kerberos, sasl
_, context = kerberos.authGSSClientInit('hive@localhost')
kerberos.authGSSClientStep(context, '')
assert len(kerberos.authGSSClientResponse(context)) > 100
client = sasl.Client()
client.setAttr('host', 'localhost')
client.setAttr('service', 'hive')
client.init()
ok, mechanism, token = client.start('GSSAPI')
assert ok and len(token) > 100, client.getError()
print(mechanism.decode())
"""


@pytest.mark.needs("krb5kdc")
def test_kerberos_and_sasl_get_a_ticket_of_a_real_kdc(old: OldPython, tmp_path: Path) -> None:
    with servers.kdc(tmp_path) as client:
        assert old.runs(GSSAPI, **client).stdout.strip() == "GSSAPI"
        refused = old.runs(GSSAPI, check=False, **{**client, "KRB5_CLIENT_KTNAME": f"FILE:{tmp_path}/no.keytab",
                                                   "KRB5CCNAME": f"FILE:{tmp_path}/none"})  # fmt: skip
        assert refused.returncode != 0


DIGEST = r"""
import sasl

def answer(name, nonce):
    client = sasl.Client()
    for key, value in [('host', 'localhost'), ('service', 'hive'), ('username', name), ('password', 'secret')]:
        client.setAttr(key, value)
    client.init()
    assert client.start('DIGEST-MD5')[0]
    ok, said = client.step(b'realm="r",nonce="%s",qop="auth",charset=utf-8,algorithm=md5-sess' % nonce)
    assert ok, client.getError()
    return said

# Room for each is made anew, so none of them may be more than what stands before it leaves free.
for count in (1, 3, 20, 100, 400):
    assert b'username="' + b'\\"' * count + b'"' in answer('"' * count, b'once')
    assert b'nonce="' + b'\\"' * count + b'"' in answer('ada', b'\\"' * count)
print('quoted')
"""


def test_sasl_has_room_for_quotes_in_names_and_in_what_a_server_says(old: OldPython) -> None:
    """CVE-2026-107161: what was appended went beyond the end of a buffer."""
    assert old.runs(DIGEST).stdout.strip() == "quoted"


ODBC = """
import pyodbc
print(pyodbc.drivers())
try:
    pyodbc.connect('Driver=Tiny')
except pyodbc.Error as err:
    print(err.args[1])
"""


def test_pyodbc_knows_the_drivers_of_the_machine(old: OldPython, tmp_path: Path) -> None:
    (tmp_path / "odbcinst.ini").write_text(f"[Tiny]\nDriver = {tmp_path}/libtiny.so\n")
    drivers, error = old.runs(ODBC, ODBCSYSINI=str(tmp_path)).stdout.splitlines()
    assert drivers == "['Tiny']"
    assert f"Can't open lib '{tmp_path}/libtiny.so'" in error
