"""The level *full*: LocalExecutor on PostgreSQL, scheduler and webserver as processes, used as people use them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from astronomer_certified.artifacts import CommandLine
from astronomer_certified.errors import CommandFailed

from .checks import Check
from .deployment import FILES, SMALL, Deployment
from .servers import POSTGRESQL
from .web_session import WebSession

_ROLES = ("Admin", "Op", "User", "Viewer", "Public")
# What an API says to whom it gives nothing: a stranger, and who has the role without rights.
_REFUSALS = frozenset({401, 403})
# From this status on, it is the server that is wrong.
_BROKEN = 500
# The parts of a release that tell of their health.
_PARTS = frozenset({"metadatabase", "scheduler"})
# Pages of both interfaces with roles. The first role sees each, the last and a stranger none; what the others may see
# is compared with upstream.
_PAGES = (
    "/home", f"/tree?dag_id={SMALL}", f"/graph?dag_id={SMALL}", f"/code?dag_id={SMALL}", "/dagrun/list/",
    "/taskinstance/list/", "/xcom/list/", "/variable/list/", "/pool/list/", "/connection/list/", "/users/list/",
    "/configuration", "/log/list/", "/job/list/",
)  # fmt: skip
_RUN_PATIENCE = 240.0
_SECRET = "postgresql://ada:hidden@127.0.0.1:5432/data"  # noqa: S105  nobody listens there

UPSTREAM, BEFORE = "upstream", "before"


def checks(command_line: CommandLine) -> tuple[Check[Deployment], ...]:
    """The checks in the order in which they are tried."""
    needs = frozenset({POSTGRESQL})
    by_rest = _experimental_api if command_line is CommandLine.FLAT else _stable_api
    return (
        Check(name="database made", run=initialised, needs=needs),
        Check(name="objects by the command line", run=_objects_by_command, needs=needs),
        Check(name="a user of each role", run=_users, needs=needs),
        Check(name="scheduler and webserver start", run=_started, needs=needs),
        Check(name="objects by the API", run=by_rest, needs=needs),
        Check(name="a run triggered by the command line", run=_triggered_by_command, needs=needs),
        Check(name="a run triggered by the API", run=_triggered_by_api, needs=needs),
        Check(name="logs in the UI", run=_logs, needs=needs),
        Check(name="pages by role", run=_pages, needs=needs),
        Check(name="a wrong password", run=_wrong_password, needs=needs),
    )


def upgrades(before: str) -> tuple[Check[Deployment], ...]:
    """Those that only the certified side can do: it takes over databases of others. `before` is a version, or empty."""
    needs = frozenset({POSTGRESQL})
    run = partial(_taken_over, UPSTREAM)
    found = [Check(name="database of upstream, and back", run=run, needs=needs, ours=True)]
    if before:
        run = partial(_taken_over, BEFORE)
        found.append(Check(name=f"database of {before} upgraded", run=run, needs=needs, ours=True))
    return tuple(found)


def initialised(deployment: Deployment) -> str:
    """How many tables an empty database has afterwards."""
    deployment.airflow(*deployment.words.init)
    tables = (
        "SELECT count(*) FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    version = deployment.sql("SELECT version_num FROM alembic_version")
    if not version:
        raise CommandFailed("the database is at no migration")
    return f"{deployment.count(tables)} tables, migration {' '.join(version)}"


def _objects_by_command(deployment: Deployment) -> str:
    words, airflow = deployment.words, deployment.airflow
    airflow(*words.set_variable("certified", "by command: ä = b"))
    _expect("the variable", "by command: ä = b", airflow(*words.get_variable("certified")))
    airflow(*words.add_connection("certified_db", _SECRET))
    _expect("the connection", "certified_db", airflow(*words.list_connections))
    encrypted = deployment.sql("SELECT is_encrypted FROM connection WHERE conn_id = 'certified_db'")
    airflow(*words.set_pool("certified_pool", "7"))
    _expect("the pool", "7", airflow(*words.get_pool("certified_pool")))
    airflow(*words.set_variable("certified_gone", "x"))
    airflow(*words.delete_variable("certified_gone"))
    airflow(*words.add_connection("certified_gone", _SECRET))
    airflow(*words.delete_connection("certified_gone"))
    airflow(*words.set_pool("certified_gone", "1"))
    airflow(*words.delete_pool("certified_gone"))
    left = [
        name
        for name, column in (("variable", "key"), ("connection", "conn_id"), ("slot_pool", "pool"))
        if deployment.count(f"SELECT count(*) FROM {name} WHERE {column} = 'certified_gone'")
    ]
    if left or encrypted != ["t"]:
        raise CommandFailed("not as asked", details=[f"left: {left}", f"encrypted: {encrypted}"])
    return "variable, connection (encrypted), pool: set, read, deleted"


def _expect(what: str, wanted: str, printed: str) -> None:
    if wanted not in printed:
        raise CommandFailed(f"{wanted!r} is not in what was printed of {what}", details=printed.splitlines()[-10:])


def _users(deployment: Deployment) -> str:
    deployment.airflow(*deployment.words.create_user("admin", "Admin"))
    deployment.command("python", str(FILES / "users.py"), *_ROLES[1:])
    users = deployment.sql("SELECT username FROM ab_user ORDER BY username")
    if users != sorted(map(str.lower, _ROLES)):
        raise CommandFailed(f"the users are {', '.join(users) or 'none'}, and not one of each role")
    return ", ".join(users)


def _started(deployment: Deployment) -> str:
    granted = "SELECT id FROM ab_permission_view_role"
    before = deployment.sql(granted)
    deployment.start_scheduler()
    deployment.start_webserver()
    lost = {*before} - {*deployment.sql(granted)}
    if lost:
        # Given back at once or not: of two processes of the webserver that both do so, one ends.
        raise CommandFailed(f"the webserver takes {len(lost)} rights from roles when it starts")
    with deployment.person() as anybody:

        def healthy() -> bool:
            return bool(_health(anybody))

        deployment.daemons.wait("/health to say healthy", healthy, _RUN_PATIENCE)
        return ", ".join(f"{name} healthy" for name in _health(anybody))


def _health(anybody: WebSession) -> list[str]:
    """The parts of which /health tells, if it answers with 200 and says that each is healthy, these two among them."""
    status, said = anybody.json("GET", "/health")
    if status != 200 or not isinstance(said, dict) or not said.keys() >= _PARTS:
        return []
    return sorted(said) if all(part.get("status") == "healthy" for part in said.values()) else []


def _stable_api(deployment: Deployment) -> str:
    """Variables, connections and pools: made, read, changed, deleted; and what other roles and strangers get."""
    kinds: dict[str, tuple[str, dict[str, object], dict[str, object]]] = {
        "variables": ("key", {"value": "by API"}, {"value": "changed"}),
        "connections": ("connection_id", {"conn_type": "http", "host": "a"}, {"conn_type": "http", "host": "b"}),
        "pools": ("name", {"slots": 3}, {"slots": 4}),
    }
    seen = []
    with deployment.person() as api:
        for kind, (key, made, changed) in kinds.items():
            own = {key: "certified_api"}
            path = f"/api/v1/{kind}"
            statuses = [
                api.json("POST", path, "admin", body={**own, **made})[0],
                api.json("PATCH", f"{path}/certified_api", "admin", body={**own, **changed})[0],
            ]
            status, read = api.json("GET", f"{path}/certified_api", "admin")
            by_role = [api.json("GET", path, role.lower())[0] for role in _ROLES]
            stranger = api.json("GET", path)[0]
            statuses += [status, api.json("DELETE", f"{path}/certified_api", "admin")[0]]
            seen.append(f"{kind} {_numbers(statuses)}, by role {_numbers(by_role)}, stranger {stranger}")
            _all_done(f"{kind}: made, changed, read, deleted", statuses, [200, 200, 200, 204])
            _by_rights(kind, by_role, stranger)
            wrong = [name for name, value in changed.items() if read.get(name) != value]
            if wrong:
                raise CommandFailed(f"{kind}: {', '.join(wrong)} not as changed", details=[json.dumps(read)])
    return "; ".join(seen)


def _numbers(statuses: Iterable[int]) -> str:
    return " ".join(map(str, statuses))


def _all_done(what: str, statuses: Sequence[int], wanted: Sequence[int]) -> None:
    """Raises `CommandFailed` for statuses that are not those of an API which did what it was asked for."""
    if list(statuses) != list(wanted):
        raise CommandFailed(f"{what}: the API answers with {_numbers(statuses)}, and not with {_numbers(wanted)}")


def _by_rights(kind: str, by_role: Sequence[int], stranger: int) -> None:
    """Raises `CommandFailed` unless the first role reads the list, and neither the last nor a stranger does.

    What is between is compared with upstream, but nobody's question may be more than the API can answer.
    """
    first, *_, last = by_role
    if first != 200 or not {last, stranger} <= _REFUSALS or max(by_role) >= _BROKEN:
        told = [f"{role}: {status}" for role, status in zip((*_ROLES, "stranger"), (*by_role, stranger), strict=True)]
        raise CommandFailed(f"{kind}: the list is not for whom it should be", details=told)


def _experimental_api(deployment: Deployment) -> str:
    """Pools, which are all that the API of 1.10 makes; and the state of the latest runs."""
    path = "/api/experimental"
    with deployment.person() as api:
        statuses = [
            api.json("GET", f"{path}/test")[0],
            api.json("POST", f"{path}/pools", body={"name": "certified_api", "slots": 3, "description": "x"})[0],
            api.json("GET", f"{path}/pools/certified_api")[0],
            api.json("DELETE", f"{path}/pools/certified_api")[0],
            api.json("GET", f"{path}/latest_runs")[0],
        ]
    what = "test, pool made, read, deleted, latest runs"
    _all_done(what, statuses, [200] * len(statuses))
    return f"{what}: {_numbers(statuses)}"


def _triggered_by_command(deployment: Deployment) -> str:
    deployment.airflow(*deployment.words.unpause, SMALL)
    deployment.trigger(SMALL, "by_command")
    deployment.finished("by_command", _RUN_PATIENCE)
    return _states(deployment, "by_command")


def _triggered_by_api(deployment: Deployment) -> str:
    conf = {"asked": "by_api"}
    with deployment.person() as api:
        if deployment.command_line is CommandLine.FLAT:
            # A string in all of 1.10; an object only in the later ones.
            body = {"run_id": "by_api", "conf": json.dumps(conf)}
            status, said = api.json("POST", f"/api/experimental/dags/{SMALL}/dag_runs", body=body)
        else:
            body = {"dag_run_id": "by_api", "conf": json.dumps(conf)}
            status, said = api.json("POST", f"/api/v1/dags/{SMALL}/dagRuns", "admin", body={**body, "conf": conf})
    if status != 200:
        raise CommandFailed(f"the API answers with {status}", details=[json.dumps(said)])
    deployment.finished("by_api", _RUN_PATIENCE)
    return _states(deployment, "by_api")


def _states(deployment: Deployment, run_id: str) -> str:
    rows = deployment.sql(
        "SELECT task_id, ti.state, try_number FROM task_instance ti JOIN dag_run dr"
        f" ON dr.dag_id = ti.dag_id AND dr.execution_date = ti.execution_date WHERE dr.run_id = '{run_id}'"
        " ORDER BY task_id"
    )
    return ", ".join(row.replace("|", " ") for row in rows)


def _logs(deployment: Deployment) -> str:
    wanted = {
        "first": "left the line of first",
        "second": "came: first; variable: by command",
        "third": f"run by_command of {SMALL}",
    }
    date = deployment.date_of("by_command")
    with deployment.person("admin") as admin:
        for task, words in wanted.items():
            _expect(f"the log of {task}", words, admin.log_of(SMALL, task, date, 1))
    return f"{len(wanted)} logs hold what the tasks printed"


def _pages(deployment: Deployment) -> str:
    seen = []
    for role in (*_ROLES, ""):
        with deployment.person() as person:
            # Who may see nothing is sent from the first page back to the login.
            back = "" if not role or person.log_in(role.lower(), role.lower()) else " (back at the login)"
            if back and role != _ROLES[-1]:
                raise CommandFailed(f"{role} cannot log in")
            by_status = _by_status(person)
            _seen_by(role, by_status)
            told = ", ".join(f"{status} {' '.join(pages)}" for status, pages in by_status.items())
            seen.append(f"{role or 'stranger'}{back}: {told}")
    return "; ".join(seen)


def _by_status(person: WebSession) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for page in _PAGES:
        found.setdefault(person.status(page), []).append(page.partition("?")[0])
    return found


def _seen_by(role: str, by_status: Mapping[str, Sequence[str]]) -> None:
    """Raises `CommandFailed` when the first role does not see each page, when the last or a stranger sees one, and
    when a page is broken for anybody."""
    if role == _ROLES[0]:
        wrong = by_status.keys() - {"200"}
    else:
        nothing = {"200"} if role in (_ROLES[-1], "") else set()
        wrong = {status for status in by_status if status in nothing or _is_broken(status)}
    if wrong:
        told = [f"{status}: {' '.join(by_status[status])}" for status in sorted(wrong)]
        raise CommandFailed(f"pages are not for {role or 'a stranger'} what they should be", details=told)


def _is_broken(status: str) -> bool:
    return status.isdigit() and int(status) >= _BROKEN


def _wrong_password(deployment: Deployment) -> str:
    with deployment.person() as stranger:
        if stranger.log_in("admin", "wrong"):
            raise CommandFailed("a wrong password is taken")
    return "refused"


def _taken_over(who: str, deployment: Deployment) -> str:
    """A database that another release made is upgraded and read; upstream of the same version reads on."""
    words, name = deployment.words, f"made_by_{who}"
    address = deployment.database.create(name)
    other = deployment.others[who]
    mine = {"AIRFLOW__CORE__SQL_ALCHEMY_CONN": address}
    its = {**mine, "PATH": f"{other / 'bin'}:{deployment.env['PATH']}"}
    deployment.airflow(*words.init, instead=its)
    deployment.airflow(*words.set_variable("theirs", "kept"), instead=its)
    deployment.airflow(*words.add_connection("theirs", _SECRET), instead=its)
    before = deployment.database.ask(name, "SELECT version_num FROM alembic_version")
    deployment.airflow(*words.upgrade, instead=mine)
    after = deployment.database.ask(name, "SELECT version_num FROM alembic_version")
    _expect("their variable", "kept", deployment.airflow(*words.get_variable("theirs"), instead=mine))
    _expect("their connection", "theirs", deployment.airflow(*words.list_connections, instead=mine))
    if who == UPSTREAM:
        deployment.airflow(*words.set_variable("ours", "read"), instead=mine)
        deployment.airflow(*words.upgrade, instead=its)
        _expect("our variable", "read", deployment.airflow(*words.get_variable("ours"), instead=its))
    return f"migration {' '.join(before)} to {' '.join(after)}, variable and connection read"
