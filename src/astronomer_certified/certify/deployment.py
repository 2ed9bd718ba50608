"""A release in operation: an environment with it, a home, a database, and the processes that were started of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from astronomer_certified.artifacts import CommandLine, Release
from astronomer_certified.effects.datagrams import Datagrams
from astronomer_certified.effects.processes import free_port, run
from astronomer_certified.errors import CommandFailed

from .command_lines import Words, words_of
from .daemons import Daemons
from .servers import PASSWORD, Database
from .web_session import CLASSIC, WITH_ROLES, Interface, WebSession, session

_COMMAND_TIMEOUT = 300.0
_PATIENCE = 240.0
# Both hosts are this machine: see files/sitecustomize.py.
HOSTS = ("127.0.0.2", "127.0.0.3")
# The variable by which sitecustomize.py knows it.
_HOST = "CERTIFIED_HOST"
DATABASE = "airflow"
DATABASE_SETTING = "AIRFLOW__CORE__SQL_ALCHEMY_CONN"
BROKER_SETTING = "AIRFLOW__CELERY__BROKER_URL"
SMALL, MANY = "certified_small", "certified_many"
FILES = Path(__file__).with_name("files")
# Fernet's test vector is no secret, and the data of a certification is none either.
_FERNET_KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """The servers that run beside a deployment; None for those that it does not use."""

    redis: str | None = None
    ldap: str | None = None
    statsd: Datagrams | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One of the two sides in operation. `env` is the environment of every process of it.

    `tasks` is how many its greatest DAG has; whether processes of it are killed is `dying`. `others` are environments
    with other releases, by what they are, for databases that they made.
    """

    release: Release
    command_line: CommandLine
    env: Mapping[str, str]
    home: Path
    logs: Path
    database: Database
    database_name: str
    daemons: Daemons
    port: int
    flower_port: int
    tasks: int
    dying: bool
    backends: Backends = field(default_factory=Backends)
    others: Mapping[str, Path] = field(default_factory=dict)

    @property
    def words(self) -> Words:
        """How its command line is spoken to."""
        return words_of(self.command_line)

    @property
    def interface(self) -> Interface:
        """Its user interface: people from LDAP use the classic one in 1.10, as its extra is for no other."""
        classic = self.command_line is CommandLine.FLAT and self.backends.ldap is not None
        return CLASSIC if classic else WITH_ROLES

    @property
    def address(self) -> str:
        """Where its webserver is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ran(self) -> Path:
        """The file to which each task that ran adds a line."""
        return Path(self.env["CERTIFIED_RAN"])

    def airflow(self, *words: str, instead: Mapping[str, str] | None = None) -> str:
        """What the command printed. Raises `CommandFailed`, also when it takes longer than 300 s."""
        return self.command("airflow", *words, instead=instead)

    def command(self, *words: str, instead: Mapping[str, str] | None = None) -> str:
        """What any program of the environment printed. `instead` are variables of this one process."""
        name = "-".join(word for word in words if word.replace("_", "").isalnum())[:60]
        return run(
            words, cwd=self.home, env={**self.env, **(instead or {})}, timeout=_COMMAND_TIMEOUT,
            log=self.logs / f"{name}.log",
        ).stdout  # fmt: skip

    def sql(self, query: str) -> list[str]:
        """The lines of its database's answer."""
        return self.database.ask(self.database_name, query)

    def count(self, query: str) -> int:
        """The number that a query gives."""
        return int(self.sql(query)[0])

    def start(self, name: str, *words: str, host: str = "", instead: Mapping[str, str] | None = None) -> None:
        """A service of Airflow runs from now on, on a host of its own where one is named."""
        env = {**self.env, **(instead or {}), **({_HOST: host} if host else {})}
        self.daemons.start(name, ["airflow", *words], env)

    def start_webserver(self) -> None:
        """The webserver answers. Raises `CommandFailed`."""
        self.start("webserver", "webserver", "--port", str(self.port), "--hostname", "127.0.0.1", "--workers", "2")
        with self.person() as anybody:
            self.daemons.wait("the webserver", lambda: _answers(anybody), _PATIENCE)

    def start_scheduler(self) -> None:
        """The scheduler runs, and has read both DAGs. Raises `CommandFailed`."""
        self.start("scheduler", "scheduler")
        known = f"SELECT count(*) FROM dag WHERE dag_id IN ('{SMALL}', '{MANY}')"
        read = "SELECT count(*) FROM serialized_dag"

        def ready() -> bool:
            return self.count(known) == 2 and (self.command_line is CommandLine.FLAT or self.count(read) >= 2)

        self.daemons.wait("the scheduler to read the DAGs", ready, _PATIENCE)

    @contextmanager
    def person(self, name: str = "") -> Iterator[WebSession]:
        """Somebody before the web pages, logged in where a name is given. Raises `CommandFailed` when that fails."""
        with session(self.address, self.interface) as opened:
            if name and not opened.log_in(name, name):
                raise CommandFailed(f"{name} cannot log in")
            yield opened

    def finished(self, run_id: str, patience: float) -> None:
        """The run of a DAG has succeeded. Raises `CommandFailed` when it failed, or took too long."""
        query = f"SELECT state FROM dag_run WHERE run_id = '{run_id}'"
        self.daemons.wait(f"the run {run_id}", lambda: self.sql(query) in (["success"], ["failed"]), patience)
        if self.sql(query) != ["success"]:
            states = self.sql("SELECT state, count(*) FROM task_instance GROUP BY state")
            raise CommandFailed(f"the run {run_id} failed", details=states, hint=f"logs are in {self.logs}")

    def date_of(self, run_id: str) -> str:
        """The execution date of a run, as pages are asked with it (ISO 8601)."""
        form = "to_char(execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
        [found] = self.sql(f"SELECT {form} FROM dag_run WHERE run_id = '{run_id}'")
        return f"{found}+00:00"

    def trigger(self, dag: str, run_id: str) -> None:
        """A run of a DAG is asked for by the command line."""
        self.airflow(*self.words.trigger(dag, run_id, json.dumps({"asked": run_id})))


def _answers(anybody: WebSession) -> bool:
    try:
        status, _ = anybody.json("GET", "/health")
    except CommandFailed:
        return False
    return status == 200


def settings(  # noqa: PLR0913  what differs between deployments; all by name
    *, home: Path, database: str, executor: str, command_line: CommandLine, tasks: int, backends: Backends
) -> dict[str, str]:
    """The variables of a deployment, beside those of its user."""
    dags, programs = home / "dags", home / "programs"
    for folder in (dags, programs, home / "airflow"):
        folder.mkdir(parents=True, exist_ok=True)
    (dags / "certified_dags.py").write_bytes((FILES / "dags.py").read_bytes())
    (programs / "sitecustomize.py").write_bytes((FILES / "sitecustomize.py").read_bytes())
    (home / "airflow" / "webserver_config.py").write_bytes((FILES / "webserver_config.py").read_bytes())
    basic = "airflow.api.auth.backend.basic_auth"
    api = "airflow.api.auth.backend.default" if command_line is CommandLine.FLAT else basic
    found = {
        DATABASE_SETTING: database,
        "AIRFLOW__CORE__EXECUTOR": executor,
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__CORE__FERNET_KEY": _FERNET_KEY,
        "AIRFLOW__CORE__PARALLELISM": "16",
        "AIRFLOW__CORE__DAG_CONCURRENCY": str(tasks),
        "AIRFLOW__WEBSERVER__SECRET_KEY": "of a certification",
        "AIRFLOW__WEBSERVER__RBAC": "True",
        "AIRFLOW__WEBSERVER__BASE_URL": "http://127.0.0.1",
        "AIRFLOW__API__AUTH_BACKEND": api,
        # A killed process is missed within seconds, not minutes.
        "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "20",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
        "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__CELERY__TASK_ADOPTION_TIMEOUT": "60",
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "40",
        "CERTIFIED_RAN": str(home / "ran"),
        "CERTIFIED_TASKS": str(tasks),
        "PYTHONPATH": str(programs),
        # Celery's workers refuse to run as root; a container of a certification has nobody else.
        "C_FORCE_ROOT": "1",
        "NO_PROXY": ",".join(("127.0.0.1", "localhost", *HOSTS)),
        "no_proxy": ",".join(("127.0.0.1", "localhost", *HOSTS)),
    }
    if command_line is CommandLine.FLAT:
        # By its default, a scheduler of 1.10 reads the same file again without a pause, which takes processors from the
        # tasks; Airflow 2 has a pause of 30 s.
        found["AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL"] = "3"
    if backends.redis is not None:
        found |= {
            BROKER_SETTING: backends.redis,
            "AIRFLOW__CELERY__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__CELERY__RESULT_BACKEND": "db+" + database.replace("+psycopg2", ""),
        }
    if backends.ldap is not None:
        found |= {
            "CERTIFIED_LDAP": backends.ldap,
            "AIRFLOW__LDAP__URI": backends.ldap,
            "AIRFLOW__LDAP__BIND_USER": "cn=admin,dc=example",
            "AIRFLOW__LDAP__BIND_PASSWORD": PASSWORD,
            "AIRFLOW__LDAP__BASEDN": "dc=example",
            "AIRFLOW__LDAP__CACERT": "",
        }
        if command_line is CommandLine.FLAT:
            found |= {
                "AIRFLOW__WEBSERVER__RBAC": "False",
                "AIRFLOW__WEBSERVER__AUTHENTICATE": "True",
                "AIRFLOW__WEBSERVER__AUTH_BACKEND": "airflow.contrib.auth.backends.ldap_auth",
            }
    if backends.statsd is not None:
        for section in ("SCHEDULER", "METRICS"):
            found |= {
                f"AIRFLOW__{section}__STATSD_ON": "True",
                f"AIRFLOW__{section}__STATSD_HOST": "127.0.0.1",
                f"AIRFLOW__{section}__STATSD_PORT": str(backends.statsd.port),
            }
    return found
