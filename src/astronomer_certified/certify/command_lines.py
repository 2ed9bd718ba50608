"""How each of Airflow's two command lines is spoken to: the words of what certifications do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from astronomer_certified.artifacts import CommandLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words after `airflow` for each thing to do, and what it says when it worked.

    `initialised` is what `init` prints; `interfaces` are the settings under which the webserver must answer: 1.10 has
    two user interfaces.
    """

    init: tuple[str, ...]
    upgrade: tuple[str, ...]
    initialised: str
    list: tuple[str, ...]
    test: tuple[str, ...]
    unpause: tuple[str, ...]
    trigger: Callable[[str, str, str], tuple[str, ...]]
    """Of a DAG, a run's id and its configuration in JSON."""
    create_user: Callable[[str, str], tuple[str, ...]]
    """Of a user, whose password is the same word, and a role."""
    set_variable: Callable[[str, str], tuple[str, ...]]
    get_variable: Callable[[str], tuple[str, ...]]
    delete_variable: Callable[[str], tuple[str, ...]]
    add_connection: Callable[[str, str], tuple[str, ...]]
    """Of an id and an address."""
    list_connections: tuple[str, ...]
    delete_connection: Callable[[str], tuple[str, ...]]
    set_pool: Callable[[str, str], tuple[str, ...]]
    """Of a name and a number of slots."""
    get_pool: Callable[[str], tuple[str, ...]]
    delete_pool: Callable[[str], tuple[str, ...]]
    worker: Callable[[str, int], tuple[str, ...]]
    """Of a name among workers, and how many tasks it runs at once."""
    flower: Callable[[int], tuple[str, ...]]
    """Of a port."""
    interfaces: Mapping[str, Mapping[str, str]]


_FLAT = Words(
    init=("initdb",),
    upgrade=("upgradedb",),
    initialised="Done",
    list=("list_dags",),
    test=("test",),
    unpause=("unpause",),
    trigger=lambda dag, run, conf: ("trigger_dag", "--run_id", run, "--conf", conf, dag),
    create_user=lambda name, role: (
        "create_user", "--role", role, "--username", name, "--password", name, "--email", f"{name}@example.invalid",
        "--firstname", name, "--lastname", "User",
    ),
    set_variable=lambda name, value: ("variables", "--set", name, value),
    get_variable=lambda name: ("variables", "--get", name),
    delete_variable=lambda name: ("variables", "--delete", name),
    add_connection=lambda name, address: ("connections", "--add", "--conn_id", name, "--conn_uri", address),
    list_connections=("connections", "--list"),
    delete_connection=lambda name: ("connections", "--delete", "--conn_id", name),
    set_pool=lambda name, slots: ("pool", "--set", name, slots, "of a certification"),
    get_pool=lambda name: ("pool", "--get", name),
    delete_pool=lambda name: ("pool", "--delete", name),
    worker=lambda name, tasks: ("worker", "--celery_hostname", name, "--concurrency", str(tasks)),
    flower=lambda port: ("flower", "--hostname", "127.0.0.1", "--port", str(port)),
    interfaces={
        "webserver /health": {"AIRFLOW__WEBSERVER__RBAC": "False"},
        "webserver /health, RBAC": {"AIRFLOW__WEBSERVER__RBAC": "True"},
    },
)  # fmt: skip
_GROUPED = Words(
    init=("db", "init"),
    upgrade=("db", "upgrade"),
    initialised="Initialization done",
    list=("dags", "list"),
    test=("tasks", "test"),
    unpause=("dags", "unpause"),
    trigger=lambda dag, run, conf: ("dags", "trigger", "--run-id", run, "--conf", conf, dag),
    create_user=lambda name, role: (
        "users", "create", "--role", role, "--username", name, "--password", name, "--email",
        f"{name}@example.invalid", "--firstname", name, "--lastname", "User",
    ),
    set_variable=lambda name, value: ("variables", "set", name, value),
    get_variable=lambda name: ("variables", "get", name),
    delete_variable=lambda name: ("variables", "delete", name),
    add_connection=lambda name, address: ("connections", "add", name, "--conn-uri", address),
    list_connections=("connections", "list", "--output", "json"),
    delete_connection=lambda name: ("connections", "delete", name),
    set_pool=lambda name, slots: ("pools", "set", name, slots, "of a certification"),
    get_pool=lambda name: ("pools", "get", name, "--output", "json"),
    delete_pool=lambda name: ("pools", "delete", name),
    worker=lambda name, tasks: ("celery", "worker", "--celery-hostname", name, "--concurrency", str(tasks)),
    flower=lambda port: ("celery", "flower", "--hostname", "127.0.0.1", "--port", str(port)),
    interfaces={"webserver /health": {}},
)  # fmt: skip


def words_of(command_line: CommandLine) -> Words:
    """The words of an Airflow with that command line."""
    return _FLAT if command_line is CommandLine.FLAT else _GROUPED
