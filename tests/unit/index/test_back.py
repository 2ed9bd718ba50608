"""What the front hands on: nobody can keep the others waiting, and nobody without a login can fill the disk."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import json
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import waitress.adjustments
from packaging.utils import NormalizedName
from tiny_wheels import NAME, wheel, whole

from astronomer_certified.index.auth import logins
from astronomer_certified.index.auth.logins import Login, Logins, Refusal
from astronomer_certified.index.http import grammar
from astronomer_certified.index.http.back import _NO_LOGIN, _Found, _Parser
from astronomer_certified.index.http.options import Options
from astronomer_certified.index.http.server import Server
from astronomer_certified.index.store.store import Store, Upload

LARGE = "large-1.0-py3-none-any.whl"
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An index with one file that is larger than what a server keeps in memory for a connection."""
    root = tmp_path_factory.mktemp("back") / "packages"
    metadata = "Metadata-Version: 2.1\nName: large\nVersion: 1.0\n"
    content = wheel(whole(content="#" * (24 << 20), folder="large-1.0.dist-info", metadata=metadata))
    Store.open(root).add(Upload(filename=LARGE), io.BytesIO(content))
    (root.parent / "htpasswd").write_text("")
    with Server(root, fallback=False, credentials=root.parent / "htpasswd") as server:
        yield server


def connect(server: Server, *, window: int | None = None) -> socket.socket:
    host, port = server.url.removeprefix("http://").rstrip("/").split(":")
    wire = socket.socket()
    if window is not None:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    wire.settimeout(10)
    wire.connect((host, int(port)))
    return wire


def metrics(server: Server) -> str:
    with urllib.request.urlopen(f"{server.url}metrics", timeout=10) as answer:
        return str(answer.read().decode())


def login(text: str) -> bytes:
    return b"Authorization: Basic " + base64.b64encode(text.encode()) + b"\r\n"


@pytest.mark.parametrize("more", [b"Content-Length: 0\r\n", b"Upgrade: h2c\r\n"], ids=["front", "back"])
def test_readers_that_take_their_time_keep_nobody_waiting(served: Server, more: bytes) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            wire = stack.enter_context(connect(served, window=4096))
            wire.sendall(f"GET /packages/{LARGE} HTTP/1.1\r\nHost: x\r\n".encode() + more + b"\r\n")
            assert wire.recv(100).startswith(b"HTTP/1.1 200")
        assert "certified_index_projects 1.0" in metrics(served)


def test_a_server_that_is_told_to_end_refuses_new_clients_and_gives_slow_ones_up(served: Server) -> None:
    for more in (b"", b"Upgrade: h2c\r\n"):
        with contextlib.ExitStack() as stack:
            ending = Server(served._store, fallback=False)
            with ending:
                port = int(ending.url.rstrip("/").rpartition(":")[2])
                wire = stack.enter_context(connect(ending, window=4096))
                wire.sendall(f"GET /packages/{LARGE} HTTP/1.1\r\nHost: x\r\n".encode() + more + b"\r\n")
                assert wire.recv(100).startswith(b"HTTP/1.1 200")
                ending.patience = 3
                start = time.monotonic()
                refused = threading.Thread(target=_until_refused, args=(port,), daemon=True)
                refused.start()
            assert time.monotonic() - start < 15
            assert not refused.is_alive()


def _until_refused(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
        except OSError:
            return
        time.sleep(0.05)


def test_a_part_of_a_file_comes_through_the_back_too(served: Server) -> None:
    with connect(served) as wire:
        head = f"GET /packages/{LARGE} HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nRange: bytes=1000000-1000004\r\n\r\n"
        wire.sendall(head.encode())
        received = b"".join(iter(lambda: wire.recv(1 << 16), b""))
    assert received.startswith(b"HTTP/1.1 206")
    assert received.endswith(b"\r\n\r\n#####")


def test_who_guesses_keeps_only_those_waiting_who_log_in(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    open_again = threading.Event()

    def slowly(*_: object) -> None:
        open_again.wait(20)

    monkeypatch.setattr(Logins, "check", slowly)
    with contextlib.ExitStack() as stack:
        stack.callback(open_again.set)
        wires = [stack.enter_context(connect(served)) for _ in range(30)]
        for number, wire in enumerate(wires):
            wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + login(f"u{number}:bad") + b"Content-Length: 0\r\n\r\n")
        assert "certified_index_projects" in metrics(served)
        open_again.set()
        assert {wire.recv(12) for wire in wires} == {b"HTTP/1.1 403"}


def test_a_new_name_for_each_guess_does_not_help() -> None:
    known = Logins(None)
    for number in range(logins._FAILURES_AT_ADDRESS):
        assert known.check(f"user-{number}", "guess", "192.0.2.1") is None

    with pytest.raises(Refusal, match="too many wrong logins"):
        known.check("another", "guess", "192.0.2.1")
    assert known.check("another", "guess", "192.0.2.2") is None


@pytest.mark.parametrize(
    ("found", "more", "kept", "read"),
    [
        pytest.param(_NO_LOGIN, b"", 0, False, id="no login"),
        pytest.param(None, b"", 0, True, id="a wrong one"),
        pytest.param(Refusal("wait", status=429), b"", 0, True, id="one that has to wait"),
        pytest.param(None, b"Expect: 100-continue\r\n", 0, False, id="a wrong one that waits for our word"),
        pytest.param(Login(name="ann"), b"", 3_000_000, True, id="a right one"),
    ],
)
def test_only_the_body_of_a_right_login_is_kept(found: _Found, more: bytes, kept: int, read: bool) -> None:
    parser = _Parser(waitress.adjustments.Adjustments(listen="127.0.0.1:0"), login=found)
    head = HEAD.replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n")
    assert parser.received(head) == len(head)
    assert parser.completed is not read
    for _ in range(3):
        parser.received(bytes(1_000_000))

    assert parser.completed
    assert not parser.expect_continue
    with parser.get_body_stream() as body:
        assert len(body.read()) == kept


def test_what_cannot_be_read_is_told_in_a_line_and_stops_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.open(tmp_path / "packages")
    store.add(Upload(filename=NAME), io.BytesIO(wheel()))
    store.record_file(NormalizedName("tiny")).write_text("garbage")
    (tmp_path / "htpasswd").write_text("garbage\n")
    log = tmp_path / "log"
    options = Options(trusted_proxy="127.0.0.1", access_log=log)
    with Server(store.root, fallback=False, credentials=tmp_path / "htpasswd", options=options) as server:

        def ask(head: bytes) -> bytes:
            with connect(server) as wire:
                wire.sendall(head + b" HTTP/1.1\r\nHost: x\r\n" + login("ann:b") + b"Connection: close\r\n"
                    b"X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nContent-Length: 0\r\n\r\n")  # fmt: skip
                return wire.recv(12)

        asked = [b"POST /", b"GET /project/tiny/", b"GET /simple/tiny/", b"GET /project/" + b"a" * 300 + b"/", b"GET /"]
        assert [ask(head)[9:] for head in asked] == [b"500", b"500", b"500", b"404", b"200"]
        assert ask(b"GET /simple/") == b"HTTP/1.1 200"
    assert "is no file of users and passwords" in capsys.readouterr().err
    assert "Traceback" not in caplog.text
    assert {json.loads(line)["peer"] for line in log.read_text().splitlines()} <= {"192.0.2.2", "127.0.0.1"}
    assert '"peer": "192.0.2.2", "method": "GET", "target": "/simple/"' in log.read_text()


@pytest.mark.parametrize("authorization", [b"Authorization: x\r\n", b"Authorization: Basic %%%\r\n"])
def test_what_is_no_login_is_told_so_before_it_sends_anything(served: Server, authorization: bytes) -> None:
    with connect(served) as wire:
        wire.sendall(HEAD.replace(b"\r\n\r\n", b"\r\n" + authorization + b"\r\n"))
        assert wire.recv(12) == b"HTTP/1.1 401"


@pytest.mark.parametrize(
    "head",
    [b"GET /metrics HTTP/1.1\r\nExpect: 100-continue\r\n", b"GET /metrics HTTP/1.1\r\nContent-Length: 9000000\r\n"],
)
def test_what_needs_no_body_is_answered_without_it(served: Server, head: bytes) -> None:
    start = time.monotonic()
    with connect(served) as wire:
        wire.sendall(head + b"Host: x\r\n\r\n")
        assert wire.recv(15) == b"HTTP/1.1 200 OK"
    assert time.monotonic() - start < 8


def test_a_request_that_says_that_it_has_no_body_has_none() -> None:
    head = functools.partial(b"GET / HTTP/1.1\r\nHost: x\r\n%s\r\n".__mod__)
    assert grammar.parse(head(b"Content-Length: 0\r\n")) is not None
    for lines in (b"Content-Length: 1\r\n", b"Content-Length: 0\r\nContent-Length: 0\r\n", b"Content-Length: +0\r\n"):
        assert grammar.parse(head(lines)) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic YTpiOmM=", ("a", "b:c")),
        ("basic  YTpiOmM=", ("a", "b:c")),
        ("Bearer YTpiOmM=", None),
        ("Basic YQ==", None),
        ("Basic /w==", None),
        ("Basic YTpi, Basic YTpi", None),
        ("", None),
    ],
)
def test_a_login_is_read_or_is_none(header: str, expected: tuple[str, str] | None) -> None:
    assert logins.basic(header) == expected


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("10.0.0.1", "192.0.2.1, 192.0.2.2", "10.0.0.1", "192.0.2.2"),
        ("10.0.0.1", '"[2001:db8::1]"', "10.0.0.1", "2001:db8::1"),
        ("10.0.0.1", "", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.9", "192.0.2.1", "10.0.0.1", "10.0.0.9"),
        ("10.0.0.9", "192.0.2.1", None, "10.0.0.9"),
    ],
)
def test_a_client_is_whom_a_trusted_proxy_names(peer: str, forwarded: str, trusted: str | None, expected: str) -> None:
    assert grammar.client(peer, forwarded, trusted) == expected
    head = f"GET / HTTP/1.1\r\nX-Forwarded-For: {forwarded}\r\n\r\nX-Forwarded-For: no".encode()
    assert grammar.field(head, b"x-forwarded-for") == forwarded
