"""Clients that ask and do not wait, or go away in the midst of an answer: they cost nobody else time or memory."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from astronomer_certified.index.api.site import Answer
from astronomer_certified.index.auth.credentials import Credentials, ensure_credentials
from astronomer_certified.index.http import messages
from astronomer_certified.index.http.options import Options
from astronomer_certified.index.http.server import Server

REQUEST = b"GET /simple/ HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("impolite") / "packages", fallback=False) as server:
        yield server


def connect(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").rstrip("/").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


# --- requests before answers


def test_requests_that_come_before_answers_are_taken_wait_unread(served: Server) -> None:
    with connect(served) as wire:
        wire.settimeout(1)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 << 20:
                sent += wire.send(REQUEST * 1000)
        assert sent < 64 << 20
        assert served._run is not None
        [connection] = served._run._doorkeeper.connections
        assert not connection.pipeline
        assert len(connection._held) < 1 << 20


def test_requests_that_came_at_once_are_all_answered_in_their_order(served: Server) -> None:
    targets = [f"/nothing/{number}" if number % 3 else "/simple/" for number in range(500)]
    with connect(served) as wire:
        asked = b"".join(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for target in targets)
        wire.sendall(asked + b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b"".join(iter(lambda: wire.recv(1 << 16), b""))
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", received)]
    assert statuses == [404 if number % 3 else 200 for number in range(500)] + [200]


def test_who_closes_his_half_after_several_requests_hears_all_answers(served: Server) -> None:
    with connect(served) as wire:
        wire.sendall(REQUEST * 3)
        wire.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: wire.recv(1 << 16), b""))
    assert received.count(b"HTTP/1.1 200") == 3


def test_a_body_behind_a_refusal_is_thrown_away_up_to_a_limit(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astronomer_certified.index.http.connection._DISCARDED", 1 << 20)
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    start = time.monotonic()
    with connect(served) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < start + 20:
                wire.sendall(piece)
    assert time.monotonic() < start + 20


def test_an_extension_of_a_chunk_ends_or_the_connection_does(served: Server) -> None:
    start, sent = time.monotonic(), 0
    with connect(served) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;")
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < start + 20:
                wire.sendall(b"x" * 65536)
                sent += 65536
    # What the kernel holds for both ends comes on top.
    assert sent < 32 << 20


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_body_in_small_chunks_is_a_body(served: Server, size: int) -> None:
    chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
    with connect(served) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            wire.sendall(chunk * (20_000 // len(chunk)))
        wire.sendall(b"0\r\n\r\n")
        wire.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b"".join(iter(lambda: wire.recv(1 << 16), b""))
    # 400 where both came in one packet.
    assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", received)] in ([401, 200], [401, 400])


# --- files whose readers go


@pytest.fixture
def large(tmp_path: Path) -> Answer:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 28)
    return Answer(status=200, headers=(), body=b"", route="file", file=path, span=(0, 1 << 28))


def test_a_file_is_not_read_on_when_its_reader_has_gone(large: Answer) -> None:
    sent: list[messages.MutableMapping[str, object]] = []

    async def send(message: messages.MutableMapping[str, object]) -> None:
        sent.append(message)  # a server that has nobody to send to any more: it takes everything at once

    asyncio.run(messages.give(large, send, head_only=False, gone=lambda: len(sent) > 3))
    assert len(sent) == 4


def test_while_a_file_is_sent_others_have_their_turn(large: Answer) -> None:
    turns = 0
    ended = False

    async def send(message: messages.MutableMapping[str, object]) -> None:
        """As to a reader who is as fast as this machine."""

    async def other() -> None:
        nonlocal turns
        while not ended:
            turns += 1
            await asyncio.sleep(0)

    async def both() -> None:
        nonlocal ended
        beside = asyncio.ensure_future(other())
        await messages.give(large, send, head_only=False, gone=lambda: False)
        ended = True
        await beside

    asyncio.run(both())
    assert turns > 500


# --- who is connected


def test_whom_a_proxy_names_is_believed_behind_a_unix_socket() -> None:
    assert messages.client("", "203.0.113.9, 192.0.2.4", "10.0.0.1") == "192.0.2.4"
    assert messages.client("", "192.0.2.4", None) == ""
    assert messages.client("10.0.0.2", "192.0.2.4", "10.0.0.1") == "10.0.0.2"


# --- what others may keep


def test_what_one_login_reads_no_cache_gives_to_another() -> None:
    public = [(b"cache-control", b"public, max-age=31536000, immutable"), (b"vary", b"Accept"), (b"etag", b'"x"')]

    assert dict(messages.for_one_reader(public)) == {
        b"etag": b'"x"',
        b"cache-control": b"private, max-age=31536000, immutable",
        b"vary": b"Authorization, Accept",
    }
    assert dict(messages.for_one_reader([]))[b"cache-control"] == b"private"


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Credentials]]:
    """An index that asks for a login, and one that it takes."""
    root = tmp_path_factory.mktemp("private")
    credentials = ensure_credentials(root / "htpasswd", root / "secret")
    options = Options(private=True)
    with Server(root / "packages", fallback=False, credentials=root / "htpasswd", options=options) as server:
        yield server, credentials


@pytest.mark.parametrize("path", ["simple/", "packages/", "", "nothing/", "pypi/x/json", "metrics", "simple"])
def test_every_answer_of_a_private_index_is_for_one_reader(private: tuple[Server, Credentials], path: str) -> None:
    server, credentials = private
    with requests.Session() as session:
        for auth in ((credentials.user, credentials.password), None):
            answer = session.get(f"{server.url}{path}", auth=auth, allow_redirects=False, timeout=10)
            assert answer.headers["Cache-Control"].startswith("private")
            assert "public" not in answer.headers["Cache-Control"]
            assert answer.headers["Vary"].startswith("Authorization")
