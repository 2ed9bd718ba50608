"""A little of what `make torture-index` and `make fuzz-index` do at length."""

from __future__ import annotations

import io
import socket
import time
import zipfile
from pathlib import Path

import fuzz
import pytest
import torture
from index_fixtures import IndexFolder, post

from astronomer_certified.index.http.server import Server


def test_a_server_killed_at_any_moment_loses_nothing_and_shows_nothing_torn(tmp_path: Path) -> None:
    result = torture.kill(tmp_path, 4)

    assert result.moments == 4
    assert result.acknowledged


def test_malformed_requests_are_answered_and_store_nothing(tmp_path: Path) -> None:
    result = fuzz.fuzz(tmp_path, 600)

    assert result.worst == []
    assert result.slowest < 5
    assert result.good  # a good client was answered all the time


def test_slow_clients_keep_nobody_else_waiting(index_folder: IndexFolder, index: Server) -> None:
    host, port = index.url.removeprefix("http://").rstrip("/").split(":")
    slow = [socket.create_connection((host, int(port)), timeout=10) for _ in range(300)]
    try:
        for wire in slow:
            wire.sendall(b"GET /simple/ HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        start = time.monotonic()
        with socket.create_connection((host, int(port)), timeout=10) as wire:
            wire.sendall(b"GET /simple/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert wire.recv(100).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - start < 8  # the slow ones have ten seconds
        assert post(index.url, index_folder.credentials, "x-1.0.tar.gz", b"").status_code == 400
        # They are told to go when their time is up, however much they drip.
        slow[0].settimeout(30)
        assert slow[0].recv(100).startswith(b"HTTP/1.1 408")
    finally:
        for wire in slow:
            wire.close()


def test_a_zip_bomb_costs_next_to_nothing(index_folder: IndexFolder, index: Server) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb", "w") as member:
        for _ in range(400):
            member.write(bytes(1 << 20))
    start = time.process_time()  # of the index, too, which answers in this process

    answer = post(index.url, index_folder.credentials, "bomb-1.0-py3-none-any.whl", buffer.getvalue())

    assert answer.status_code == 400
    assert "unpacks to more" in answer.reason
    assert time.process_time() - start < 3


@pytest.mark.parametrize("length", ["999999999999", "3000000000"])
def test_a_body_larger_than_allowed_is_refused_before_it_comes(
    index_folder: IndexFolder, index: Server, length: str
) -> None:
    host, port = index.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\nContent-Length: {length}\r\n\r\n"
        wire.sendall(head.encode())
        assert wire.recv(100).startswith(b"HTTP/1.1 413")


def test_nobody_without_a_login_gets_to_send_a_body(index: Server) -> None:
    host, port = index.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        assert wire.recv(100).startswith(b"HTTP/1.1 401")
