"""The servers that certification puts beside a release: real ones, which end with their block however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from astronomer_certified.certify import servers
from astronomer_certified.certify.daemons import Daemons
from astronomer_certified.certify.servers import Database
from astronomer_certified.effects import families
from astronomer_certified.effects.processes import clean_environment
from astronomer_certified.errors import CommandFailed
from astronomer_certified.project import services
from astronomer_certified.workspace import Workspace
from documented import ROOT

STATED = services.load(Workspace.at(ROOT).services)
# Starts a server in a process of its own, says where it is, and waits to be ended.
HOLDER = """
import sys, time
from astronomer_certified.certify import servers
with getattr(servers, sys.argv[1])() as started:
    if sys.argv[1] == "postgresql":
        started.create("kept")  # somebody who is connected, or was
    print(getattr(started, "address", started), flush=True)
    time.sleep(60)
"""


def needs(name: str) -> pytest.MarkDecorator:
    missing = [program for program in STATED[name].programs if servers.find(program) is None]
    why = f"no {' and no '.join(missing)} on this machine: make system-packages"
    return pytest.mark.skipif(bool(missing), reason=why)


def answers(address: str) -> bool:
    port = urlsplit(address).port
    assert port is not None
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(servers.postgresql, marks=needs(servers.POSTGRESQL)),
        pytest.param(servers.mariadb, marks=needs(servers.MARIADB)),
    ],
)
def test_a_database_answers_as_long_as_its_block_lasts(
    start: Callable[[], contextlib.AbstractContextManager[Database]],
) -> None:
    with start() as first, start() as second:
        assert first.address != second.address
        assert first.create("one").endswith("/one")
        # Two at once do not meet.
        second.create("one")
        first.ask("one", "CREATE TABLE kept (word varchar(9))")
        first.ask("one", "INSERT INTO kept VALUES ('it''s'), ('ä')")

        assert sorted(first.ask("one", "SELECT word FROM kept")) == ["it's", "ä"]
        with pytest.raises(CommandFailed, match="kept"):
            second.ask("one", "SELECT word FROM kept")
    assert not first.answers()


@pytest.mark.parametrize(
    "server",
    [
        pytest.param("redis", marks=needs(servers.REDIS)),
        pytest.param("postgresql", marks=needs(servers.POSTGRESQL)),
        pytest.param("mariadb", marks=needs(servers.MARIADB)),
        pytest.param("ldap", marks=needs(servers.LDAP)),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_ends_with_whoever_started_it_also_when_that_is_killed(server: str, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, server], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        address = holder.stdout.readline().strip()
        assert answers(address)
        holder.send_signal(number)
    until(lambda: not answers(address))


@needs(servers.LDAP)
def test_the_people_of_the_directory_come_in_with_their_own_passwords() -> None:
    with servers.ldap() as address:
        assert answers(address)
    assert not answers(address)


def test_a_program_that_is_nowhere_is_not_found() -> None:
    assert servers.find("no-such-server") is None
    assert servers.find("sh") is not None


# --- daemons


def daemons(folder: Path) -> Daemons:
    return Daemons(folder, folder / "logs")


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def test_a_daemon_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    running = daemons(tmp_path)
    running.start("worker", python("print('no broker'); raise SystemExit(3)"), clean_environment())
    try:
        with pytest.raises(CommandFailed, match="the worker has ended") as caught:
            running.wait("a task", lambda: False, 30)
        assert "no broker" in str(caught.value)
        assert "worker-1.log" in str(caught.value)
    finally:
        running.close()


def test_what_never_comes_is_waited_for_as_long_as_was_said(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"waited 0\.5 s for a task"):
        daemons(tmp_path).wait("a task", lambda: False, 0.5)


@pytest.mark.parametrize("end", ["kill", "stop", "close"])
def test_what_a_daemon_started_in_a_session_of_its_own_ends_with_it(tmp_path: Path, end: str) -> None:
    code = (
        "import subprocess, sys, time\n"
        "own = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "print(own.pid)\ntime.sleep(60)\n"
    )
    running = daemons(tmp_path)
    running.start("worker", python(code), clean_environment())
    log = tmp_path / "logs" / "worker-1.log"
    until(lambda: log.exists() and log.read_text().endswith("\n"))
    child = int(log.read_text())
    assert families.of(child)

    running.close() if end == "close" else getattr(running, end)("worker")

    until(lambda: not families.of(child))
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
