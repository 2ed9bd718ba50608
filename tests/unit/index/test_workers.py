"""One worker or many under one supervisor: a reload refuses nobody and cuts nothing off."""

from __future__ import annotations

import io
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

import pytest
from packaging.utils import NormalizedName
from tiny_wheels import NAME, wheel, whole

from astronomer_certified.errors import PublishError
from astronomer_certified.index.api.site import Answer, Site
from astronomer_certified.index.http import workers
from astronomer_certified.index.http.options import Options, Setup
from astronomer_certified.index.http.server import Server, listen, url_of
from astronomer_certified.index.store.store import Store, Upload

LARGE = "large-1.0-py3-none-any.whl"


def children(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def test_a_reload_with_one_worker_answers_on_and_ends_what_was_begun(tmp_path: Path) -> None:
    metadata = "Metadata-Version: 2.1\nName: large\nVersion: 1.0\n"
    content = wheel(whole(content="#" * (24 << 20), folder="large-1.0.dist-info", metadata=metadata))
    Store.open(tmp_path / "packages").add(Upload(filename=LARGE), io.BytesIO(content))
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    words = ["index", "serve", "--index", str(tmp_path), "--port", str(port), "--fallback", "none"]
    argv = [sys.executable, "-m", "astronomer_certified.commands.main", *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert f"at http://127.0.0.1:{port}/simple/" in process.stdout.readline()
            before = children(process.pid)
            with socket.socket() as wire:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                wire.settimeout(30)
                wire.connect(("127.0.0.1", port))
                wire.sendall(f"GET /packages/{LARGE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                received = len(wire.recv(100))
                process.send_signal(signal.SIGHUP)
                until = time.monotonic() + 30
                while len(children(process.pid)) < 2 and time.monotonic() < until:
                    time.sleep(0.05)
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                while chunk := wire.recv(1 << 20):
                    received += len(chunk)
            assert received > len(content)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/simple/large/", timeout=30) as answer:
                assert LARGE in answer.read().decode()
            until = time.monotonic() + 30
            while before & children(process.pid) and time.monotonic() < until:
                time.sleep(0.05)
            assert len(children(process.pid)) == 1
            assert not before & children(process.pid)

            # Somebody who keeps a connection open delays neither the reload nor the end.
            with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
                wire.sendall(HEALTH)
                assert answer_to(wire).startswith(b"HTTP/1.1 200")
                second = children(process.pid)
                process.send_signal(signal.SIGHUP)
                until = time.monotonic() + 30
                while len(children(process.pid)) < 2 and time.monotonic() < until:
                    time.sleep(0.05)
                time.sleep(1)
                assert second < children(process.pid)
                start = time.monotonic()
                process.terminate()
                assert process.wait(60) == 0
                assert time.monotonic() - start < 15  # what is under way would have 20 s
        finally:
            process.kill()
    assert not any(Path(f"/proc/{pid}").exists() for pid in before)


@contextmanager
def supervised(index: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """An index on a port of its own, without users, which is killed at the end if it must be."""
    (index / "htpasswd").write_text("")
    (index / "upload-password").write_text("")
    serve = ["index", "serve", "--index", str(index), "--port", "0", "--fallback", "none", *words]
    argv = [sys.executable, "-m", "astronomer_certified.commands.main", *serve]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            left = children(process.pid) if process.poll() is None else set()
            process.kill()
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


def started(process: subprocess.Popen[str], count: int) -> set[str]:
    """Its children, once there are so many."""
    until = time.monotonic() + 30
    while len(found := children(process.pid)) < count:
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


def test_a_worker_that_hangs_at_its_start_keeps_nobody_from_ending_the_index(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")  # whoever opens it for writing waits until somebody reads it
    with supervised(tmp_path, "--access-log", str(tmp_path / "log")) as process:
        hanging = started(process, 1)
        time.sleep(2)
        process.terminate()
        assert process.wait(15) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in hanging)


def test_a_worker_that_hangs_at_a_reload_keeps_nobody_from_ending_the_index(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with supervised(tmp_path, "--access-log", str(tmp_path / "log")) as process:
        assert process.stdout is not None
        reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
        assert "serving" in process.stdout.readline()
        os.close(reader)
        process.send_signal(signal.SIGHUP)
        both = started(process, 2)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in both)


def test_a_worker_that_does_not_start_in_time_is_told_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_START", 0.5)
    os.mkfifo(tmp_path / "log")
    setup = Setup(store=tmp_path / "packages", fallback=False, options=Options(access_log=tmp_path / "log"))
    # Other tests of this process may have left children that end by themselves.
    before = children(os.getpid())
    with pytest.raises(PublishError, match=r"did not start within 0\.5 s"):
        workers.supervise(setup, workers.Place(), workers=1, ready=lambda url, findings: None)
    assert children(os.getpid()) <= before


@pytest.mark.parametrize("during", ["start", "reload"])
def test_an_index_that_looks_over_its_store_ends_when_it_is_told_to(tmp_path: Path, during: str) -> None:
    store = Store.open(tmp_path / "packages")
    with supervised(tmp_path) if during == "reload" else nullcontext() as process:
        if process is not None:
            assert process.stdout is not None
            assert "serving" in process.stdout.readline()
        store.file(NAME).write_bytes(wheel())
        # As if somebody else published a file of the project, and took long.
        with store._locked(NormalizedName("tiny")), ExitStack() as stack:
            if process is None:
                process = stack.enter_context(supervised(tmp_path))
                started(process, 1)
            else:
                process.send_signal(signal.SIGHUP)
            time.sleep(2)
            process.terminate()
            assert process.wait(15) == 0


HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(port: int, stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))


def answer_to(wire: socket.socket) -> bytes:
    """One answer without a body to speak of, or all until the end."""
    received = b""
    while b"Ok" not in received and (chunk := wire.recv(1 << 16)):
        received += chunk
    return received


def test_a_worker_that_is_replaced_answers_those_who_are_connected_once_more(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = Server(tmp_path / "packages", fallback=False)
        port = int(server.__enter__().url.rstrip("/").rpartition(":")[2])
        silent, kept = connect(port, stack), connect(port, stack)
        kept.sendall(HEALTH)
        assert answer_to(kept).startswith(b"HTTP/1.1 200")
        drain(server, port)
        assert not server.drained
        for wire in (silent, kept):
            wire.sendall(HEALTH)
            received = answer_to(wire)
            assert received.startswith(b"HTTP/1.1 200")
            assert b"\r\nconnection: close\r\n" in received
            assert wire.recv(1) == b""
        until = time.monotonic() + 10
        while not server.drained and time.monotonic() < until:
            time.sleep(0.05)
        assert server.drained
        server.__exit__(None, None, None)


def test_a_server_that_is_told_to_end_while_it_drains_waits_for_nobody_who_says_nothing(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = Server(tmp_path / "packages", fallback=False)
        port = int(server.__enter__().url.rstrip("/").rpartition(":")[2])
        kept, late = connect(port, stack), connect(port, stack)
        for wire in (kept, late):
            wire.sendall(HEALTH)
            assert answer_to(wire).startswith(b"HTTP/1.1 200")
        drain(server, port)
        start = time.monotonic()
        server.__exit__(None, None, None)
        assert time.monotonic() - start < 15  # what is under way would have 20 s
        assert (kept.recv(1), late.recv(1)) == (b"", b"")


@pytest.mark.skipif(not hasattr(select, "EPOLLEXCLUSIVE"), reason="no epoll that wakes one process alone")
def test_a_connection_for_which_a_worker_was_woken_that_died_is_answered(tmp_path: Path) -> None:
    with ExitStack() as stack:
        listening = stack.enter_context(listen("127.0.0.1", 0))
        dead = stack.enter_context(select.epoll())
        dead.register(listening, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        woken = threading.Thread(target=dead.poll, args=(5,))
        stack.callback(woken.join)
        woken.start()
        time.sleep(0.1)
        server = stack.enter_context(Server(tmp_path / "packages", listening=listening, fallback=False))
        wire = connect(int(server.url.rstrip("/").rpartition(":")[2]), stack)
        wire.sendall(HEALTH)
        assert answer_to(wire).startswith(b"HTTP/1.1 200")


def drain(server: Server, port: int) -> None:
    """Nothing, once it takes no new connections."""
    server.drain()
    until = time.monotonic() + 10
    while not refused(port) and time.monotonic() < until:
        time.sleep(0.05)


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except OSError:
        return True
    return False


def test_what_has_arrived_when_a_server_is_told_to_end_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, released = threading.Event(), threading.Event()
    usual = Site.answer

    def slowly(site: Site, target: str, headers: dict[str, str]) -> Answer | None:
        if target == "/health":
            asked.set()
            released.wait(10)
        return usual(site, target, headers)

    monkeypatch.setattr(Site, "answer", slowly)
    with ExitStack() as stack:
        server = Server(tmp_path / "packages", fallback=False)
        port = int(server.__enter__().url.rstrip("/").rpartition(":")[2])
        kept, busy, says_nothing = (connect(port, stack) for _ in range(3))
        kept.sendall(HEALTH.replace(b"/health", b"/simple/"))
        assert kept.recv(1 << 16).startswith(b"HTTP/1.1 200")
        busy.sendall(HEALTH)
        assert asked.wait(10)
        leaving = threading.Thread(target=server.__exit__, args=(None, None, None))
        leaving.start()
        time.sleep(0.3)  # it is told to end, and cannot hear it yet
        fresh = connect(port, stack)
        for wire in (kept, fresh):
            wire.sendall(HEALTH)
        released.set()
        for wire in (busy, kept, fresh):
            assert answer_to(wire).startswith(b"HTTP/1.1 200")
        assert says_nothing.recv(1) == b""
        leaving.join(10)
        assert not leaving.is_alive()


def test_what_listens_is_shown_as_clients_on_this_machine_reach_it() -> None:
    for host, shown in (("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")):
        if ":" in host and not Path("/proc/net/if_inet6").exists():
            continue
        with listen(host, 0) as listening:
            assert url_of(listening) == f"http://{shown}:{listening.getsockname()[1]}/"
