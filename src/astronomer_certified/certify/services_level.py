"""The level *services*: Celery on Redis and PostgreSQL with two hosts, people from LDAP, and processes that die."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from astronomer_certified.errors import CommandFailed

from . import pods
from .checks import Check
from .deployment import BROKER_SETTING, DATABASE, DATABASE_SETTING, HOSTS, MANY, SMALL, Deployment
from .full_level import initialised
from .servers import LDAP, MARIADB, PEOPLE, POSTGRESQL, REDIS, STATSD, Database
from .web_session import CLASSIC, session

_WORKERS = dict(zip(("worker-a", "worker-b"), HOSTS, strict=True))
# Tasks that a worker runs at once.
_SLOTS = 4
_PATIENCE = 240.0
# Until the last of 200 tasks, with two that wait for a worker that is dead.
_MANY_PATIENCE = 1200.0
# An address at which nobody listens.
_NOBODY = "redis://127.0.0.1:1/0"
_STATISTICS = ("scheduler_heartbeat", "ti_successes", "dagrun.duration.success.certified_many")


def checks(mariadb: Database | None) -> tuple[Check[Deployment], ...]:
    """The checks in the order in which they are tried; `mariadb` is the server for the last of them, where one runs."""
    celery = frozenset({POSTGRESQL, REDIS})
    # Who looks at pages logs in, and only the directory knows anybody; the second check of pods goes on with the first.
    people, pods_of_people = celery | {LDAP}, frozenset({POSTGRESQL, LDAP})
    return (
        Check(name="database made", run=initialised, needs=frozenset({POSTGRESQL})),
        Check(name="init and doctor", run=_doctor, needs=celery, ours=True),
        Check(name="people from LDAP", run=_people, needs=people),
        Check(name="scheduler, two workers, flower start", run=_started, needs=celery),
        Check(name="200 tasks while a host and the scheduler die", run=_many, needs=celery, compared=False),
        Check(name="logs of both hosts in the UI", run=_logs, needs=people),
        Check(name="flower", run=_flower, needs=celery),
        Check(name="statistics", run=_statistics, needs=celery | {STATSD}),
        Check(name="tasks in pods of a simulated Kubernetes", run=pods.in_pods, needs=pods_of_people),
        Check(name="a pod and the scheduler die", run=pods.dying, needs=pods_of_people, ours=True),
        Check(name="a run on MariaDB", run=partial(_on_mariadb, mariadb), needs=frozenset({MARIADB})),
    )


def _doctor(deployment: Deployment) -> str:
    """With the environment file that `init` writes, `doctor` finds nothing wrong; with one without a broker, that."""
    for broker, wanted in ((deployment.env[BROKER_SETTING], []), (_NOBODY, ["broker"])):
        wrong = _complaints(deployment, broker)
        if wrong != wanted:
            raise CommandFailed(f"with the broker {broker}, doctor complains of {', '.join(wrong) or 'nothing'}")
    return "doctor finds nothing wrong with what init wrote; without a broker it says so"


def _complaints(deployment: Deployment, broker: str) -> list[str]:
    """The checks of `doctor` that fail with a file that `init` writes for that broker."""
    file = str(deployment.home / "environment")
    stated = [
        "--file", file, "--home", deployment.env["AIRFLOW_HOME"], "--executor", "CeleryExecutor", "--force",
        "--database", deployment.env[DATABASE_SETTING], "--broker", broker,
    ]  # fmt: skip
    deployment.command("astronomer-certified", "init", *stated)
    # The API is open for the checks to come, of which doctor would rightly complain; it ends with 1 when it complains.
    own = {"AIRFLOW__API__AUTH_BACKEND": "airflow.api.auth.backend.deny_all"}
    words = f"astronomer-certified doctor --file {shlex.quote(file)} --json || test $? = 1"
    results = json.loads(deployment.command("sh", "-c", words, instead=own))
    return [result["check"] for result in results if result["status"] == "failed"]


def _people(deployment: Deployment) -> str:
    """People of the LDAP server log in with their own passwords only, and get the role that everybody has."""
    deployment.start_webserver()
    for name in PEOPLE:
        with deployment.person(name):
            pass
        with deployment.person() as wrong:
            if wrong.log_in(name, "wrong"):
                raise CommandFailed(f"{name} logs in with a wrong password")
    with deployment.person() as stranger:
        # A name and no password is an anonymous bind, which LDAP servers take.
        if stranger.log_in(PEOPLE[0], "") or stranger.log_in("*", PEOPLE[0]) or stranger.log_in("nobody", "nobody"):
            raise CommandFailed("somebody logs in who is not in the directory")
    return f"{', '.join(_registered(deployment))}; wrong and empty passwords refused"


def _registered(deployment: Deployment) -> list[str]:
    """Who is known by now, with the role where there are any."""
    if deployment.interface is CLASSIC:
        return deployment.sql("SELECT username FROM users ORDER BY username")
    roles = deployment.sql(
        "SELECT u.username, r.name FROM ab_user u JOIN ab_user_role ur ON ur.user_id = u.id"
        " JOIN ab_role r ON r.id = ur.role_id ORDER BY 1, 2"
    )
    return [row.replace("|", " is ") for row in roles]


def _start_worker(deployment: Deployment, name: str) -> None:
    host = _WORKERS[name]
    # A home of its own: what the webserver shows must come from the worker's own log server.
    own = {"AIRFLOW_HOME": str(deployment.home / "hosts" / name)}
    deployment.start(name, *deployment.words.worker(name, _SLOTS), host=host, instead=own)


def _started(deployment: Deployment) -> str:
    deployment.start_scheduler()
    first, second = _WORKERS
    _start_worker(deployment, first)
    # Celery makes the tables of results on its first use, and two workers that do so at the same moment are in each
    # other's way: one ends. systemd's unit starts it again.
    made = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'celery_taskmeta'"
    deployment.airflow(*deployment.words.set_variable("certified", "by Celery"))
    deployment.airflow(*deployment.words.unpause, SMALL)
    deployment.trigger(SMALL, "first")
    deployment.daemons.wait("the first worker to make its tables", lambda: deployment.count(made) == 1, _PATIENCE)
    _start_worker(deployment, second)
    deployment.start("flower", *deployment.words.flower(deployment.flower_port))
    deployment.finished("first", _PATIENCE)
    return "a run through the broker succeeds"


def _many(deployment: Deployment) -> str:
    """Every task of a run succeeds although a host dies with what runs there, and the scheduler is killed."""
    deployment.airflow(*deployment.words.unpause, MANY)
    deployment.trigger(MANY, "many")
    died = _kills(deployment) if deployment.dying else "nothing killed"
    deployment.finished("many", _MANY_PATIENCE)
    return f"{_all_ran(deployment)}; {died}; {_retried(deployment)}"


def _kills(deployment: Deployment) -> str:
    """A host dies and comes back, and so does the scheduler; what died."""
    total, wait = deployment.tasks, deployment.daemons.wait
    host = _WORKERS["worker-b"]
    running = f"SELECT task_id FROM task_instance WHERE state = 'running' AND hostname = '{host}'"

    def busy() -> bool:
        return len(_lines(deployment)) >= total // 5 and bool(deployment.sql(running))

    wait("a fifth of the tasks", busy, _PATIENCE)
    processes = deployment.daemons.kill("worker-b")
    lost = deployment.sql(running)
    wait("two fifths of the tasks", lambda: len(_lines(deployment)) >= 2 * total // 5, _PATIENCE)
    deployment.daemons.kill("scheduler")
    deployment.start("scheduler", "scheduler")
    _start_worker(deployment, "worker-b")
    return f"with a host died {processes} processes and {len(lost)} running tasks, then the scheduler"


def _lines(deployment: Deployment) -> list[list[str]]:
    """Of each task of the great run that ran: its name, attempt, run and host."""
    try:
        text = deployment.ran.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [line.split() for line in text.splitlines() if line.startswith("task_")]


def _all_ran(deployment: Deployment) -> str:
    lines = _lines(deployment)
    times = Counter(line[0] for line in lines)
    states = deployment.sql(f"SELECT state, count(*) FROM task_instance WHERE dag_id = '{MANY}' GROUP BY state")
    if states != [f"success|{deployment.tasks}"] or len(times) != deployment.tasks:
        raise CommandFailed(f"{len(times)} of {deployment.tasks} tasks ran", details=states)
    by_host = Counter(line[3] for line in lines)
    hosts = ", ".join(f"{by_host[host]} on {name}" for name, host in _WORKERS.items())
    twice = sum(count > 1 for count in times.values())
    return f"{len(times)} of {deployment.tasks} succeeded ({hosts}; {twice} ran more than once)"


def _retried(deployment: Deployment) -> str:
    rows = deployment.sql(
        f"SELECT task_id, try_number FROM task_instance WHERE dag_id = '{MANY}' AND try_number > 1 ORDER BY task_id"
    )
    return f"retried: {', '.join(row.replace('|', ' to attempt ') for row in rows) or 'none'}"


def _logs(deployment: Deployment) -> str:
    """A task that ran on each host has its log in the UI, which asks the host for it."""
    date, seen = deployment.date_of("many"), []
    ended = deployment.sql(
        "SELECT hostname, min(task_id) FROM task_instance"
        f" WHERE dag_id = '{MANY}' AND try_number = 1 GROUP BY hostname ORDER BY hostname"
    )
    with deployment.person(PEOPLE[0]) as ada:
        for row in ended:
            host, task = row.split("|")
            log = ada.log_of(MANY, task, date, 1)
            if f"left the line of {task}" not in log or host not in log:
                raise CommandFailed(
                    f"the log of {task} is not shown, which ran on {host}", details=log.splitlines()[-9:]
                )
            seen.append(host)
    if seen != sorted(_WORKERS.values()):
        raise CommandFailed(f"tasks ran on {seen or 'no host'}")
    return f"fetched from {' and '.join(seen)}"


def _flower(deployment: Deployment) -> str:
    with session(f"http://127.0.0.1:{deployment.flower_port}") as anybody:

        def workers() -> Mapping[str, object]:
            status, found = anybody.json("GET", "/api/workers?refresh=1")
            return found if status == 200 and isinstance(found, dict) else {}

        wanted = sorted(f"celery@{name}" for name in _WORKERS)
        deployment.daemons.wait("flower to know both workers", lambda: sorted(workers()) == wanted, _PATIENCE)
        return f"knows {' and '.join(wanted)}"


def _statistics(deployment: Deployment) -> str:
    taken = deployment.backends.statsd
    names = {line.partition(":")[0] for line in taken.kept()} if taken else set()
    missing = [name for name in _STATISTICS if f"airflow.{name}" not in names]
    if missing:
        raise CommandFailed(f"no {' and no '.join(missing)} came", details=sorted(names)[:30])
    return f"{', '.join(_STATISTICS)} came"


def _on_mariadb(mariadb: Database | None, deployment: Deployment) -> str:
    """A database is made and a DAG run there, with the scheduler and LocalExecutor."""
    assert mariadb is not None  # the check needs one
    deployment.daemons.close()
    own = {
        DATABASE_SETTING: mariadb.create(DATABASE),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # It has no FOR UPDATE OF, which MySQL 8 has.
        "AIRFLOW__SCHEDULER__USE_ROW_LEVEL_LOCKING": "False",
    }
    there = replace(deployment, env={**deployment.env, **own}, database=mariadb, database_name=DATABASE)
    there.airflow(*there.words.init)
    there.start_scheduler()
    there.airflow(*there.words.set_variable("certified", "on MariaDB"))
    there.airflow(*there.words.unpause, SMALL)
    there.trigger(SMALL, "on_mariadb")
    there.finished("on_mariadb", _PATIENCE)
    return "database made, a run succeeds with LocalExecutor"
