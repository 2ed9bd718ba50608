"""Connections on real sockets: where one request ends, where the next begins, and how long each may take to come."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator

import pytest

from astronomer_certified.index.http import connection
from astronomer_certified.index.http.server import Server

GOOD = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
TWO_SPACES = GOOD.replace(b"GET ", b"GET  ")
LENGTH = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
CHUNKS = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with Server(tmp_path_factory.mktemp("index") / "packages", fallback=False) as server:
        yield int(server.url.rstrip("/").rpartition(":")[2])


def said_to(port: int, *packets: bytes) -> bytes:
    """All that is answered until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for packet in packets:
            wire.sendall(packet)
            time.sleep(0.1)
        return b"".join(iter(lambda: wire.recv(1 << 16), b""))


@pytest.mark.parametrize(
    "packets",
    [
        pytest.param([TWO_SPACES], id="in one packet"),
        pytest.param([b"GET ", b" /health HTTP/1.1\r\nHost: x\r\n\r\n"], id="between two packets"),
        pytest.param([bytes([byte]) for byte in TWO_SPACES[:23]], id="in many packets"),
        pytest.param([b"\r\n", TWO_SPACES], id="behind an empty line"),
        pytest.param([b"\r\n\r\n" + TWO_SPACES], id="behind two empty lines"),
        pytest.param([GOOD + TWO_SPACES], id="behind another request"),
        pytest.param([GOOD[:-2], GOOD[-2:] + TWO_SPACES], id="behind another request that came in two packets"),
        pytest.param([LENGTH + b"abcde" + TWO_SPACES], id="behind a body"),
        pytest.param([LENGTH + b"ab", b"cde" + TWO_SPACES], id="behind a body that came in two packets"),
        pytest.param([CHUNKS + TWO_SPACES], id="behind a body in chunks"),
        pytest.param([CHUNKS, TWO_SPACES], id="behind a body in chunks, in a packet of its own"),
    ],
)
def test_a_request_line_that_two_servers_could_read_in_two_ways_is_refused_wherever_it_stands(
    port: int, packets: list[bytes]
) -> None:
    answers = said_to(port, *packets)
    assert answers.rpartition(b"HTTP/1.1 ")[2].startswith(b"400")


@pytest.mark.parametrize(
    ("packets", "statuses"),
    [
        pytest.param([GOOD * 3 + LAST], [200] * 4, id="four at once"),
        pytest.param([GOOD[:-1], GOOD[-1:] + GOOD[:9], GOOD[9:] + LAST], [200] * 3, id="cut anywhere"),
        pytest.param([b"\r\n" + GOOD + b"\r\n" + LAST], [200] * 2, id="with empty lines between them"),
        pytest.param([LENGTH + b"abcde" + LAST], [401, 200], id="behind a body"),
        pytest.param([LENGTH, b"\r\n\r\n\r" + LAST], [401, 200], id="behind a body that looks like the end of a head"),
        pytest.param([CHUNKS, LAST], [401, 200], id="behind a body in chunks"),
        pytest.param([CHUNKS[:70], CHUNKS[70:90], CHUNKS[90:] + b"\r\n", LAST], [401, 200], id="behind cut chunks"),
    ],
)
def test_several_requests_on_one_connection_are_answered_one_after_the_other(
    port: int, packets: list[bytes], statuses: list[int]
) -> None:
    answers = said_to(port, *packets)
    assert [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]] == statuses


def test_why_an_upload_is_refused_stands_in_its_own_answer_and_in_none_behind_it(port: int) -> None:
    answers = said_to(port, LENGTH + b"abcde" + LAST)
    lines = re.findall(rb"HTTP/1.1 [^\r]*", answers)
    assert lines == [b"HTTP/1.1 401 Uploading needs a login.", b"HTTP/1.1 200 OK"]


@pytest.mark.parametrize("before", [GOOD, LENGTH + b"abcde"], ids=["behind a request", "behind a body"])
def test_half_a_head_has_as_long_as_any_head_also_in_the_packet_of_another_request(
    port: int, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    monkeypatch.setattr(connection, "_HEAD_SECONDS", 1.0)
    start = time.monotonic()
    answers = said_to(port, before + GOOD[:9])
    assert b"HTTP/1.1 408" in answers
    assert time.monotonic() - start < 8
