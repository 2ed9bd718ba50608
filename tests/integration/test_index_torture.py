"""A little of what `make torture-index` and `make fuzz-index` do at length."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import fuzz
import pytest
import requests
import torture
from index_fixtures import IndexFolder, make_wheel, post
from raw_archives import SDIST, long_pax_header, long_record, many_members, raw_sdist
from tiny_wheels import NAME

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


BOMBS = {
    "60,000 digits": (SDIST, lambda: long_pax_header(60_000), "pax header that is none"),
    "1.5 million lines of RECORD": (NAME, lambda: long_record(1_500_000), "RECORD' has more"),
    "480,000 members": (SDIST, lambda: many_members(480_000), "more than the 100000 members"),
}

Spawn = Callable[[IndexFolder], tuple[subprocess.Popen[str], str]]


@pytest.mark.parametrize(("filename", "make", "why"), BOMBS.values(), ids=BOMBS)
def test_who_reads_does_not_wait_for_what_an_uploader_made_to_hurt(
    index_folder: IndexFolder, spawn: Spawn, tmp_path: Path, filename: str, make: Callable[[], bytes], why: str
) -> None:
    _, url = spawn(index_folder)
    good = make_wheel(tmp_path / "good", "good")
    assert post(url, index_folder.credentials, good.name, good.read_bytes()).status_code == 200
    bomb, answers, waited = make(), [], [0.0]

    def upload() -> None:
        answers.append(post(url, index_folder.credentials, filename, bomb))

    uploads = [threading.Thread(target=upload) for _ in range(2)]
    for thread in uploads:
        thread.start()
    while any(thread.is_alive() for thread in uploads):
        start = time.monotonic()
        assert requests.get(f"{url}simple/good/", timeout=30).status_code == 200
        waited.append(time.monotonic() - start)
        time.sleep(0.01)

    assert [(answer.status_code, why in answer.reason) for answer in answers] == [(400, True)] * 2
    assert max(waited) < 1  # it was 9, 22 and 49 s
    lines = (index_folder.store / ".records" / "audit.jsonl").read_text().splitlines()
    refused = [deed for deed in map(json.loads, lines) if deed["deed"] == "upload refused"]
    assert [(deed["file"], why in deed["why"]) for deed in refused] == [(filename, True)] * 2
    assert index_folder.left_over() == []


def test_a_child_that_dies_of_a_file_costs_that_file_only_and_ends_with_its_server(
    index_folder: IndexFolder, spawn: Spawn, tmp_path: Path
) -> None:
    process, url = spawn(index_folder)
    assert post(url, index_folder.credentials, SDIST, b"").status_code == 400  # the first one starts a child
    [child] = torture.children(process.pid)
    crowded, answers = many_members(90_000), []
    thread = threading.Thread(target=lambda: answers.append(post(url, index_folder.credentials, SDIST, crowded)))
    thread.start()
    while torture.processor_time(child) < 1:
        time.sleep(0.01)
    os.kill(child, signal.SIGSEGV)
    thread.join()

    [answer] = answers
    assert answer.status_code == 400
    assert "tiny-1.0.tar.gz cannot be verified" in answer.reason
    assert "was ended by SIGSEGV" in answer.reason
    assert post(url, index_folder.credentials, SDIST, raw_sdist()).status_code == 200
    [other] = torture.children(process.pid)
    process.kill()
    process.wait()
    until = time.monotonic() + 10
    while torture.alive(other) and time.monotonic() < until:
        time.sleep(0.02)
    assert not torture.alive(other)


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
