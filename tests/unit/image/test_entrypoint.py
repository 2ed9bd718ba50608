"""What comes before the program of a container: database and broker are waited for, and not for ever."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from programs import FILES, program

entrypoint = program("entrypoint")
CELERY = {entrypoint.EXECUTOR: "CeleryExecutor"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg2://ann:secret@db/airflow", ("db", 5432)),
        ("postgresql://db:6000/airflow", ("db", 6000)),
        ("mysql://db/airflow", ("db", 3306)),
        ("redis://:secret@redis:6379/0", ("redis", 6379)),
        ("amqp://guest@mq//", ("mq", 5672)),
        ("sqlite:////usr/local/airflow/airflow.db", None),
        ("sqs://", None),
        ("", None),
        ("redis+socket:///run/redis.sock", None),
    ],
)
def test_an_address_says_who_is_waited_for(url: str, expected: tuple[str, int] | None) -> None:
    assert entrypoint.endpoint(url) == expected


def test_who_does_not_answer_in_time_is_named_without_a_password() -> None:
    # A port that nobody can listen on.
    environ = {entrypoint.DATABASE: "postgresql://ann:secret@127.0.0.1:1/airflow", entrypoint.WAIT: "0.6"}
    said: list[str] = []
    begun = time.monotonic()
    with pytest.raises(entrypoint.Refused) as told:
        entrypoint.prepare(["airflow", "webserver"], environ, said.append)
    assert time.monotonic() - begun < 10
    assert "the database at 127.0.0.1:1 does not answer" in str(told.value)
    assert said == [f"waiting for 127.0.0.1:1 ({entrypoint.DATABASE})"]
    assert "secret" not in str(told.value) + said[0]


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
    with pytest.raises(entrypoint.Refused, match="the broker at"):
        entrypoint.prepare(["airflow", "scheduler"], {**environ, **CELERY}, lambda text: None)


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(entrypoint.Refused, match="no number of seconds"):
        entrypoint.seconds({entrypoint.WAIT: text})


def test_an_address_whose_port_is_none_is_told_without_its_password() -> None:
    with pytest.raises(entrypoint.Refused, match="its port is none") as told:
        entrypoint.endpoint("postgresql://ann:secret@db:99999999/airflow")
    assert "secret" not in str(told.value)


def test_it_becomes_the_program_with_its_status(tmp_path: Path) -> None:
    words = [sys.executable, "-I", str(FILES / "entrypoint.py"), "sh", "-c", "echo $$ $USER; exit 7"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={"PATH": os.defpath})
    said = process.communicate()[0].split()
    assert (process.returncode, said[0]) == (7, str(process.pid))
    assert said[1]


@pytest.mark.parametrize("words", [[], ["no-such-program"]])
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
    ("printed", "expected"),
    [
        (" _/_/  |_/_/  /_/    /_/  \\____/____/|__/  v1.10.7+astro.2\n", "upgradedb"),
        ("1.10.15+astro.2\n", "upgradedb"),
        ("warning: no home\n2.1.0+astro.2\n", "db upgrade"),
    ],
)
def test_each_airflow_is_migrated_by_the_command_that_it_has(printed: str, expected: str) -> None:
    assert entrypoint.migration(printed) == ["airflow", *expected.split()]


def test_an_airflow_without_a_version_is_not_migrated() -> None:
    with pytest.raises(entrypoint.Refused, match="prints no version: 'what'"):
        entrypoint.migration("what")


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes somebody else")
def test_what_root_starts_is_the_users_and_so_is_its_migration(tmp_path: Path) -> None:
    for name, text in {"gosu": 'echo "gosu $*"; shift; exec "$@"', "airflow": 'echo "2.1.0"'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.defpath}", entrypoint.MIGRATE: "true", entrypoint.USER: "ann"}
    words = [sys.executable, "-I", str(FILES / "entrypoint.py"), "airflow", "webserver"]
    said = subprocess.run(words, env=environ, capture_output=True, text=True, check=True).stdout
    assert "gosu ann airflow db upgrade" in said.replace("\n2.1.0", "")
    assert "gosu ann airflow webserver" in said
