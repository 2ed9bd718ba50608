"""Real servers for a certification: PostgreSQL, Redis, MariaDB, an LDAP server, and what takes statistics.

Each listens on a free port of 127.0.0.1, keeps its files in a folder of its own, and ends with its block. They come
from the machine's own packages; constraints/services.toml says which.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.effects import disk
from astronomer_certified.effects.datagrams import Datagrams
from astronomer_certified.effects.processes import answers, background, clean_environment, free_port, run
from astronomer_certified.errors import CommandFailed

POSTGRESQL = "PostgreSQL"
REDIS = "Redis"
MARIADB = "MariaDB"
LDAP = "LDAP"
STATSD = "StatsD"

PASSWORD = "secret"  # noqa: S105  of servers that last a minute
# Where Debian and others keep servers; of several PostgreSQL the newest is taken.
_FOLDERS = ("/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin", "/bin", "/sbin")
_VERSIONED = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")
_PATIENCE = 60.0
_PREFIX = "certified-server-"
# Servers that refuse to run as root give it away to the first of these that there is.
_USERS = ("postgres", "nobody")
_DROP = "setpriv"
# People of the LDAP server; their passwords are their names.
PEOPLE = ("ada", "grace")


def find(program: str) -> str | None:
    """The path of a server's program; None where it is not there. Servers are seldom on a user's PATH."""
    versioned = sorted(
        (str(path) for pattern in _VERSIONED for path in Path("/").glob(pattern)),
        key=lambda path: [int(number) for number in re.findall(r"\d+", path)],
        reverse=True,
    )
    return shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", ""), *versioned, *_FOLDERS)))


@contextlib.contextmanager
def postgresql() -> Iterator[Database]:
    """A PostgreSQL whose user `airflow` comes in without a password, from this machine only."""
    with disk.folder_in_use(_PREFIX) as folder:
        own, port = folder / "own", free_port()
        own.mkdir()
        drop = _dropping(folder, own)
        data = own / "data"
        run([*drop, _program("initdb"), "--username", "airflow", "--auth", "trust", "--no-sync", "-D", data], cwd=own)
        words: list[str | Path] = [
            *drop, _program("postgres"), "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", own,
            # Nothing of it is to outlive the certification.
            "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=300",
        ]  # fmt: skip
        asked = [_client(_program("postgres")), "-h", "127.0.0.1", "-p", str(port), "-U", "airflow", "-At", "-d"]
        database = Database(
            address=f"postgresql+psycopg2://airflow@127.0.0.1:{port}/", asked=(*asked,), first="postgres", says="-c"
        )
        with _running(words, folder, database.answers):
            yield database


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """The address of a Redis."""
    with disk.folder_in_use(_PREFIX) as folder:
        port = free_port()
        words: list[str | Path] = [
            _program("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--dir", folder,
            "--save", "", "--appendonly", "no", "--daemonize", "no",
        ]  # fmt: skip
        ping = [_program("redis-cli"), "-h", "127.0.0.1", "-p", str(port), "ping"]
        with _running(words, folder, lambda: "PONG" in run(ping, check=False).stdout):
            yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def mariadb() -> Iterator[Database]:
    """A MariaDB with the user `airflow` and a password, and databases in the character set that Airflow asks for."""
    with disk.folder_in_use(_PREFIX) as folder:
        data, port = folder / "data", free_port()
        own = ["--no-defaults", f"--user={getpass.getuser()}", f"--datadir={data}"]
        run([_program("mariadb-install-db"), *own, "--auth-root-authentication-method=normal"])
        start = folder / "start.sql"
        # Without the second one, an anonymous user of localhost would be taken for it.
        for_all = "".join(
            f"CREATE USER {name} IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO {name};\n"
            for name in ("airflow", "airflow@localhost")
        )
        start.write_text(for_all, encoding="utf-8")
        words: list[str | Path] = [
            _program("mariadbd"), *own, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}",
            f"--pid-file={folder / 'pid'}", f"--init-file={start}", "--character-set-server=utf8",
            "--collation-server=utf8_general_ci", "--innodb-flush-log-at-trx-commit=0", "--max-connections=300",
        ]  # fmt: skip
        client = [
            _program("mariadb"), "--no-defaults", "-h", "127.0.0.1", "-P", str(port), "-u", "airflow", f"-p{PASSWORD}",
            "--batch", "--skip-column-names",
        ]  # fmt: skip
        database = Database(
            address=f"mysql+mysqldb://airflow:{PASSWORD}@127.0.0.1:{port}/", asked=(*client,), first="mysql", says="-e"
        )
        with _running(words, folder, database.answers):
            yield database


@contextlib.contextmanager
def ldap() -> Iterator[str]:
    """The address of an LDAP server with the people of `PEOPLE` in dc=example."""
    with disk.folder_in_use(_PREFIX) as folder:
        (folder / "data").mkdir()
        (folder / "slapd.conf").write_text(
            f"""\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {folder}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
database mdb
suffix dc=example
rootdn cn=admin,dc=example
rootpw {PASSWORD}
directory {folder}/data
overlay memberof
""",
            encoding="utf-8",
        )
        entries = ["dn: dc=example\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: example\n"]
        entries += [
            f"dn: uid={name},dc=example\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: User\n"
            f"givenName: {name}\nmail: {name}@example.invalid\nuserPassword: {name}\n"
            for name in PEOPLE
        ]
        (folder / "people.ldif").write_text("\n".join(entries), encoding="utf-8")
        run([_program("slapadd"), "-f", folder / "slapd.conf", "-l", folder / "people.ldif"])
        port = free_port()
        address = f"ldap://127.0.0.1:{port}"
        words: list[str | Path] = [_program("slapd"), "-d", "0", "-f", folder / "slapd.conf", "-h", address]
        with _running(words, folder, lambda: answers(port)):
            yield address


@contextlib.contextmanager
def statsd() -> Iterator[Datagrams]:
    """What takes the statistics that Airflow sends, and keeps them."""
    with Datagrams() as taken:
        yield taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database server: what Airflow is told of it, without the name of a database, and how to ask it something."""

    address: str
    asked: tuple[str, ...]
    first: str
    says: str

    def ask(self, name: str, sql: str) -> list[str]:
        """The lines of the answer of one of its databases. Raises `CommandFailed`."""
        words = [*self.asked, name, self.says, sql]
        return run(words, timeout=_PATIENCE).stdout.splitlines()

    def create(self, name: str) -> str:
        """The address of a new and empty database."""
        self.ask(self.first, f"CREATE DATABASE {name}")
        return f"{self.address}{name}"

    def answers(self) -> bool:
        """Whether it does by now."""
        with contextlib.suppress(CommandFailed):
            return self.ask(self.first, "SELECT 1") == ["1"]
        return False


@contextlib.contextmanager
def _running(words: Sequence[str | Path], folder: Path, ready: Callable[[], bool]) -> Iterator[None]:
    log = folder / "log"
    # Before a server's own path there may be that of the program which makes it another user's.
    name = next(Path(word).name for word in words if Path(word).is_absolute() and Path(word).name != _DROP)
    with background(words, cwd=folder, env=_environment(folder), log=log) as runs:
        until = time.monotonic() + _PATIENCE
        while not ready():
            if not runs() or time.monotonic() > until:
                last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
                raise CommandFailed(f"{name} did not start", details=last)
            time.sleep(0.1)
        yield


def _environment(folder: Path) -> Mapping[str, str]:
    return clean_environment(HOME=str(folder), TMPDIR=str(folder))


def _program(name: str) -> str:
    found = find(name)
    if found is None:
        raise CommandFailed(f"{name} is not on this machine")
    return found


def _client(server: str) -> str:
    """The psql beside a PostgreSQL: what is called so in Debian's /usr/bin looks for that one first, in Perl.

    That takes six times as long, and a level asks some thousand times.
    """
    beside = Path(server).with_name("psql")
    return str(beside) if os.access(beside, os.X_OK) else _program("psql")


def _dropping(folder: Path, own: Path) -> list[str]:
    """What stands before the words of a server that refuses to run as root; `own` is its user's, and can be reached."""
    if os.geteuid() != 0:
        return []
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = next((known[name] for name in _USERS if name in known), None)
    if user is None:
        raise CommandFailed(f"PostgreSQL does not run as root, and there is no user {' or '.join(_USERS)}")
    folder.chmod(0o711)
    os.chown(own, user.pw_uid, user.pw_gid)
    # Who becomes another user no longer hears of the end of its parent (prctl(2)), unless it asks for it after that.
    # PostgreSQL ends at once with SIGINT; with SIGTERM it waits for all who are connected.
    heard = ("--pdeathsig", "INT")
    return [_program(_DROP), f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *heard]
