"""What comes before the program of a container: database and broker are waited for, and not for ever."""

from __future__ import annotations

import ast
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from programs import FILES, program

entrypoint = program("entrypoint")
CELERY = {entrypoint.EXECUTOR: "CeleryExecutor"}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql+psycopg2://ann:secret@db/airflow", ("db", 5432)),
        ("postgresql://db:6000/airflow", ("db", 6000)),
        ("mysql://db/airflow", ("db", 3306)),
        ("postgresql://ann:pa/ss@db/airflow", ("db", 5432)),
        ("postgresql://ann:pa#s?s@db:6000/airflow?x=1", ("db", 6000)),
        ("postgresql://ann:p@ss:w@db/airflow", ("db", 5432)),
        ("postgresql://ann:[pa]ss@db/airflow", ("db", 5432)),
        ("postgresql://ann:pa]ss@[::1]:6000/airflow", ("::1", 6000)),
        ("postgresql://db?sslmode=require", ("db", 5432)),
        ("postgresql:///airflow?host=/run/postgresql", None),
        ("sqlite:////usr/local/airflow/airflow.db", None),
        ("oracle://ann:secret@db/x", None),
        ("", None),
    ],
)
def test_the_address_of_a_database_is_read_as_sqlalchemy_does(address: str, expected: tuple[str, int] | None) -> None:
    assert entrypoint.endpoint(entrypoint.DATABASE, address) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://:secret@redis:6379/0", [("redis", 6379)]),
        ("redis://redis:6379/0?x=a@b", [("redis", 6379)]),
        ("amqp://guest@mq//", [("mq", 5672)]),
        ("amqp://ann:secret@one//;amqp://ann:secret@two:1//;", [("one", 5672), ("two", 1)]),
        ("sentinel://one;sentinel://two:1", [("one", 26379), ("two", 1)]),
        ("sqs://", [None]),
        ("redis+socket:///run/redis.sock", [None]),
        ("", []),
    ],
)
def test_the_addresses_of_brokers_are_read_as_kombu_does(text: str, expected: list[tuple[str, int] | None]) -> None:
    assert entrypoint.endpoints(entrypoint.BROKER, text) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (entrypoint.DATABASE, "postgresql://ann:secret@db:99999999/airflow"),
        (entrypoint.DATABASE, "postgresql://ann:secret@db:0/airflow"),
        (entrypoint.DATABASE, "postgresql://ann:secret"),
        (entrypoint.DATABASE, "postgresql://ann:secret@[::1/airflow"),
        (entrypoint.DATABASE, "postgresql://ann:secret@a..b/airflow"),
        (entrypoint.DATABASE, "postgresql://ann:secret@" + "x" * 70 + "/airflow"),
        (entrypoint.BROKER, "redis://:secret/x@redis"),
        (entrypoint.BROKER, "redis://:secret#x@redis"),
        (entrypoint.BROKER, "amqp://mq//;amqp://ann:secret"),
    ],
)
def test_what_cannot_be_read_is_not_waited_for_and_the_variable_is_told(name: str, text: str) -> None:
    said: list[str] = []
    given = {**CELERY, entrypoint.WAIT: "0.1", name: text}
    entrypoint.prepare(["airflow", "scheduler"], given, said.append)
    assert [line.partition(" cannot be read as an address")[0] for line in said] == [name]
    assert "secret" not in said[0]


def test_who_does_not_answer_in_time_is_named_without_a_password() -> None:
    # A port that nobody can listen on.
    environ = {entrypoint.DATABASE: "postgresql://ann:secret@127.0.0.1:1/airflow", entrypoint.WAIT: "0.6"}
    said: list[str] = []
    begun = time.monotonic()
    with pytest.raises(entrypoint.Refused) as told:
        entrypoint.prepare(["airflow", "webserver"], environ, said.append)
    assert time.monotonic() - begun < 10
    assert f"the database of {entrypoint.DATABASE} does not answer: Connection refused" in str(told.value)
    assert said == [f"waiting for the database of {entrypoint.DATABASE}"]
    assert "secret" not in str(told.value) + said[0]


def test_of_several_brokers_one_is_enough() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = f"amqp://127.0.0.1:1//;amqp://127.0.0.1:{server.getsockname()[1]}//"
        entrypoint.prepare(["airflow", "scheduler"], {**CELERY, entrypoint.BROKER: there}, pytest.fail)
    environ = {**CELERY, entrypoint.BROKER: there, entrypoint.WAIT: "0.1"}
    with pytest.raises(entrypoint.Refused, match="the broker of"):
        entrypoint.prepare(["airflow", "scheduler"], environ, lambda text: None)


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (["airflow", "version"], {}),
        (["bash"], {}),
        (["airflow", "webserver"], {entrypoint.WAIT: "0"}),
        (["airflow", "webserver"], {entrypoint.DATABASE: "sqlite:////a.db"}),
    ],
)
def test_who_needs_nobody_waits_for_nobody(words: list[str], environ: dict[str, str]) -> None:
    given = {entrypoint.DATABASE: "postgresql://127.0.0.1:1/airflow", **environ}
    entrypoint.prepare(words, given, pytest.fail)


def test_a_broker_is_waited_for_where_the_executor_has_one() -> None:
    environ = {entrypoint.BROKER: "redis://127.0.0.1:1/0", entrypoint.WAIT: "0.1"}
    entrypoint.prepare(["airflow", "scheduler"], {**environ, entrypoint.EXECUTOR: "LocalExecutor"}, pytest.fail)
    with pytest.raises(entrypoint.Refused, match="the broker of"):
        entrypoint.prepare(["airflow", "scheduler"], {**environ, **CELERY}, lambda text: None)


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(entrypoint.Refused, match="no number of seconds"):
        entrypoint.seconds({entrypoint.WAIT: text})


def test_it_becomes_the_program_with_its_status(tmp_path: Path) -> None:
    words = [sys.executable, "-I", str(FILES / "entrypoint.py"), "sh", "-c", "echo $$ $USER; exit 7"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={"PATH": os.defpath})
    said = process.communicate()[0].split()
    assert (process.returncode, said[0]) == (7, str(process.pid))
    assert said[1]


@pytest.mark.parametrize("words", [[], [""], ["no-such-program"]])
def test_what_cannot_be_run_is_one_line(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(FILES / "entrypoint.py"), *words], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)


def test_programs_of_images_are_for_python_3_6_and_need_nothing_else() -> None:
    for path in sorted(FILES.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.10.7+astro.2", "upgradedb"), ("1.10.15+astro.2", "upgradedb"), ("2.1.0+astro.2", "db upgrade")],
)
def test_each_airflow_is_migrated_by_the_command_that_it_has(tmp_path: Path, version: str, expected: str) -> None:
    (tmp_path / f"apache_airflow-{version}.dist-info").mkdir()
    (tmp_path / "apache_airflow_providers_http-9.0.0.dist-info").mkdir()
    assert entrypoint.migration(tmp_path) == ["airflow", *expected.split()]


def test_an_airflow_without_a_version_is_not_migrated(tmp_path: Path) -> None:
    with pytest.raises(entrypoint.Refused, match="is not known"):
        entrypoint.migration(tmp_path)


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The Python of an environment that has an Airflow 2.1.0 by its name."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "environment"], check=True)
    [folder] = (tmp_path / "environment" / "lib").glob("*/site-packages")
    (folder / "apache_airflow-2.1.0.dist-info").mkdir()
    return tmp_path / "environment" / "bin" / "python"


def put(folder: Path, **programs: str) -> dict[str, str]:
    """The environment in which there are these programs."""
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{os.defpath}"}


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes somebody else")
def test_what_root_starts_is_the_users_and_so_is_its_migration(tmp_path: Path, python: Path) -> None:
    environ = put(tmp_path, gosu='echo "gosu $*"; shift; exec "$@"', airflow='echo "airflow $*"')
    environ |= {entrypoint.MIGRATE: "true", entrypoint.USER: "daemon"}
    words = [python, "-I", FILES / "entrypoint.py", "airflow", "webserver"]
    said = subprocess.run(words, env=environ, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0::2] == ["gosu daemon airflow db upgrade", "gosu daemon airflow webserver"]
    refused = subprocess.run(
        words, env={**environ, entrypoint.USER: "nosuch"}, capture_output=True, text=True, check=False
    )
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert f"{entrypoint.USER}=nosuch is no user of this image" in refused.stderr


def test_a_migration_that_fails_is_one_line_more(tmp_path: Path, python: Path) -> None:
    environ = {**put(tmp_path, airflow="exit 3"), entrypoint.MIGRATE: "true"}
    words = [python, "-I", FILES / "entrypoint.py", "true"]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [
        "entrypoint: the database was not migrated: airflow db upgrade ended with status 3"
    ]


def test_who_is_told_to_end_tells_the_migration(tmp_path: Path, python: Path) -> None:
    # It ends in its own time, and would go on without a parent otherwise.
    told = "trap 'sleep 0.3; echo told; exit 0' TERM; echo begun; while true; do sleep 0.05; done"
    environ = {**put(tmp_path, airflow=told), entrypoint.MIGRATE: "true"}
    words = [python, "-I", FILES / "entrypoint.py", "echo", "started"]
    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        said, complained = process.communicate(timeout=20)
    assert (process.returncode, said) == (128 + signal.SIGTERM, "told\n")
    assert complained.splitlines()[-1] == "entrypoint: airflow db upgrade was told to end by signal 15, and did"


def test_who_is_interrupted_while_waiting_says_so_in_a_line() -> None:
    environ = {"PATH": os.defpath, entrypoint.DATABASE: "postgresql://127.0.0.1:1/airflow", entrypoint.USER: "daemon"}
    words = [sys.executable, "-I", FILES / "entrypoint.py", "airflow", "scheduler"]
    with subprocess.Popen(
        words,
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
        # In the background of a shell tests inherit that SIGINT is ignored; a container does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        assert "waiting for the database" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        complained = process.communicate(timeout=20)[1]
    assert (process.returncode, complained) == (128 + signal.SIGINT, "entrypoint: interrupted\n")
