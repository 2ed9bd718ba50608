"""The index on real sockets: nobody can keep the others waiting, and nobody without a login can fill the disk."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from packaging.utils import NormalizedName
from tiny_wheels import NAME, wheel, whole

from astronomer_certified.errors import PublishError
from astronomer_certified.index.api.web_pages import WebPages
from astronomer_certified.index.auth import logins
from astronomer_certified.index.auth.credentials import ensure_credentials, set_password
from astronomer_certified.index.auth.logins import Logins, Refusal
from astronomer_certified.index.http import app, messages
from astronomer_certified.index.http.connection import Connection, Doing, Doorkeeper
from astronomer_certified.index.http.options import Options, Setup
from astronomer_certified.index.http.server import Server, listen_at
from astronomer_certified.index.http.uploads import BODIES_OF_ONE
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


def test_readers_that_take_their_time_keep_nobody_waiting(served: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            wire = stack.enter_context(connect(served, window=4096))
            wire.sendall(f"GET /packages/{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert wire.recv(100).startswith(b"HTTP/1.1 200")
        assert "certified_index_projects 1.0" in metrics(served)


def test_a_server_that_is_told_to_end_refuses_new_clients_and_gives_slow_ones_up(served: Server) -> None:
    with contextlib.ExitStack() as stack:
        ending = Server(served._setup.store, fallback=False)
        with ending:
            port = int(ending.url.rstrip("/").rpartition(":")[2])
            wire = stack.enter_context(connect(ending, window=4096))
            wire.sendall(f"GET /packages/{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert wire.recv(100).startswith(b"HTTP/1.1 200")
            ending.patience = 3
            start = time.monotonic()
            refused = threading.Thread(target=_until_refused, args=(port,), daemon=True)
            refused.start()
        assert time.monotonic() - start < 15
        refused.join(5)
        assert not refused.is_alive()


def _until_refused(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
        except OSError:
            return
        time.sleep(0.05)


def test_a_part_of_a_file_is_sent(served: Server) -> None:
    with connect(served) as wire:
        head = f"GET /packages/{LARGE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes=1000000-1000004\r\n\r\n"
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
    ("given", "more", "status"),
    [
        pytest.param(b"", b"", b"401", id="no login"),
        pytest.param(login("ann:wrong"), b"", b"403", id="a wrong one"),
        pytest.param(login("ann:wrong"), b"Expect: 100-continue\r\n", b"403", id="a wrong one that waits for our word"),
    ],
)
def test_only_the_body_of_a_right_login_is_kept(
    served: Server, monkeypatch: pytest.MonkeyPatch, given: bytes, more: bytes, status: bytes
) -> None:
    def kept(*_: object, **__: object) -> None:
        pytest.fail("a body is kept")

    monkeypatch.setattr("astronomer_certified.index.http.uploads.Uploads._received", kept)
    with connect(served) as wire:
        wire.sendall(HEAD.replace(b"\r\n\r\n", b"\r\n" + given + more + b"\r\n"))
        # Answered before the body comes; what comes of it all the same is thrown away.
        assert wire.recv(1000).split()[1] == status
        wire.sendall(bytes(3_000_000) + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.recv(12) == b"HTTP/1.1 200"


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
    ("more", "line"),
    [
        (b"", b"HTTP/1.1 401 Uploading needs a login.\r\n"),
        (login("ann:wrong"), b"HTTP/1.1 403 This login is not right.\r\n"),
    ],
    ids=["no login", "a wrong login"],
)
def test_why_an_upload_is_refused_stands_in_the_status_line_of_which_twine_shows_nothing_else(
    served: Server, more: bytes, line: bytes
) -> None:
    with connect(served) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + more + b"Content-Length: 0\r\n\r\n")
        assert wire.recv(1000).startswith(line)


def test_an_index_starts_without_a_warning(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from astronomer_certified.index.http.server import Server\n"
    code += "with Server(Path(sys.argv[1])) as server: print(server.url)\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, tmp_path / "packages"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


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
    assert messages.client(peer, forwarded, trusted) == expected


# --- faults, limits, signals


@pytest.mark.parametrize(
    "header",
    [
        "If-Modified-Since: Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "If-Modified-Since: Mon, 99 Foo -1 99:99:99 +9999",
        "If-Modified-Since: " + "9" * 5000,
        "Range: bytes=" + "9" * 5000 + "-",
        "Range: bytes=-" + "9" * 5000,
        "Range: bytes=1-" + "9" * 5000,
        "Range: bytes=\xb2-\xb3",
        "If-Range: Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "If-None-Match: " + '"a",' * 2000,
        "If-Match: " + '"a",' * 2000,
        "Accept: " + ",".join(["text/html;q=1e999999999"] * 200),
        "Accept: " + ";" * 8000,
        "Accept-Encoding: " + ",".join(["gzip;q=" + "9" * 100] * 100),
        "Accept-Encoding: gzip;q=nan, zstd;q=inf, identity;q=-1",
        "Authorization: Basic " + "/" * 8000,
        "Content-Length: " + "0" * 5000,
        "X-Forwarded-For: " + "1," * 4000,
    ],
    ids=lambda header: header[:40],
)
@pytest.mark.parametrize("target", [f"/packages/{LARGE}", "/simple/", "/simple/large/", "/"])
def test_no_header_stops_the_index(served: Server, header: str, target: str) -> None:
    with connect(served) as wire:
        wire.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n{header}\r\nConnection: close\r\n\r\n".encode("latin-1"))
        status = int(wire.recv(12).split()[1])
    assert status < 500
    with connect(served) as wire:
        wire.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.recv(12) == b"HTTP/1.1 200"


def test_a_fault_in_an_answer_is_a_500_with_its_traceback_and_the_next_is_answered(
    served: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    with connect(served) as wire:
        with monkeypatch.context() as patched:
            patched.setattr("astronomer_certified.index.api.site.Site.answer", broken)
            wire.sendall(b"GET /simple/some-project/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"HTTP/1.1 500" in wire.recv(1000)
        wire.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.recv(12) == b"HTTP/1.1 200"
    logged = capsys.readouterr().err
    assert "GET '/simple/some-project/' of 127.0.0.1" in logged
    assert "ZeroDivisionError: a fault" in logged


def test_a_name_with_thousands_of_tags_costs_nothing(served: Server) -> None:
    tags = ".".join("abcdefghijklmnopqrstuvwxyzabcdefghijkl")
    start = time.process_time()  # of the index, too, which answers in this process
    with connect(served) as wire:
        for _ in range(100):
            wire.sendall(f"GET /packages/a-1-{tags}-{tags}-{tags}.whl HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            # To its end: head and body may come one after the other.
            answer = b""
            while not answer.endswith(b"There is no such file.\n") and (piece := wire.recv(4000)):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 404")
    assert time.process_time() - start < 2


def test_where_there_is_no_room_those_who_wait_for_nothing_go(tmp_path: Path) -> None:
    few = Server(tmp_path / "packages", fallback=False, options=Options(connections=20))
    with few as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(connect(server)) for _ in range(200)]
        start = time.monotonic()
        with connect(server) as wire:
            wire.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.recv(12) == b"HTTP/1.1 200"
        assert time.monotonic() - start < 8  # by themselves they would go after ten seconds
        with contextlib.suppress(ConnectionResetError):
            assert wires[0].recv(1) == b""


class Guest:
    """A connection as the doorkeeper sees it: what it does, for how long it was quiet, whether it ever asked."""

    def __init__(self, doing: Doing, quiet: float, *, asked: bool) -> None:
        self.doing = doing
        self.cycle = object() if asked else None
        self._head = b""
        self._quiet = quiet
        self.is_there = True

    def quiet(self, now: float) -> float:
        return self._quiet

    def is_new(self, now: float) -> bool:
        return Connection.is_new(cast(Connection, self), now)

    def abort(self) -> None:
        self.is_there = False


@pytest.mark.parametrize(
    ("others", "goes"),
    [
        pytest.param([(Doing.IDLE, 0.0, False), (Doing.READING_AN_ANSWER, 5.0, True)], 1, id="who takes nothing"),
        pytest.param([(Doing.IDLE, 0.0, False), (Doing.IDLE, 0.0, True)], 1, id="who was answered"),
        pytest.param([(Doing.IDLE, 0.0, False), (Doing.IDLE, 5.0, False)], 1, id="who said nothing for long"),
        pytest.param([(Doing.IDLE, 0.0, False), (Doing.IDLE, 0.1, False)], 1, id="of new ones the oldest"),
        pytest.param([(Doing.READING_AN_ANSWER, 0.1, True)] * 2, None, id="nobody of those at work"),
    ],
)
def test_where_there_is_no_room_who_was_not_read_yet_is_the_last_to_go(
    others: list[tuple[Doing, float, bool]], goes: int | None
) -> None:
    keeper = Doorkeeper(limit=2)
    guests = [Guest(doing, quiet, asked=asked) for doing, quiet, asked in others]
    newcomer = Guest(Doing.IDLE, 0.0, asked=False)
    for guest in (*guests, newcomer):
        keeper.admit(cast(Connection, guest))
    gone = newcomer if goes is None else guests[goes]
    assert [guest for guest in (*guests, newcomer) if not guest.is_there] == [gone]


READERS = """
import sys
from pathlib import Path
from typing import Any, cast
from astronomer_certified.index.http.server import Server, serve_forever
server = Server(Path(sys.argv[1]), fallback=False)
server.patience = 2
serve_forever(server, ready=lambda server: print(server.url, flush=True))
"""


def answer_to_pip(host: str, port: int) -> bytes:
    """The beginning of an answer, asked for as often as pip does, with its pauses: whoever was read from within half a
    second keeps its place, and on a slow machine all may have been."""
    for pause in (0, 0, 0.5, 1, 2, 4):
        time.sleep(pause)
        with contextlib.suppress(ConnectionError), socket.create_connection((host, port), timeout=40) as good:
            good.sendall(b"GET /simple/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            if answer := good.recv(12):
                return answer
    return b""


def test_three_hundred_readers_that_never_read_leave_a_good_client_alone(served: Server) -> None:
    words = ["sh", "-c", 'ulimit -n 256 && exec "$0" -c "$1" "$2"', sys.executable, READERS, str(served._setup.store)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)  # who waits for it waits for ever when an assertion fails
        assert process.stdout is not None
        host, port = process.stdout.readline().strip().removeprefix("http://").rstrip("/").split(":")
        for number in range(300):
            wire = stack.enter_context(socket.socket())
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.settimeout(60)  # on a busy machine the kernel lets some wait for seconds
            wire.connect((host, int(port)))
            with contextlib.suppress(OSError):
                wire.sendall(f"GET /packages/{LARGE} HTTP/1.1\r\nHost: x{number}\r\n\r\n".encode())
        time.sleep(1)
        start = time.monotonic()
        assert answer_to_pip(host, int(port)) == b"HTTP/1.1 200"
        assert time.monotonic() - start < 40  # by themselves the others would go after a minute
        process.terminate()
        assert process.wait(60) == 0


def test_a_unix_socket_is_answered_on(tmp_path: Path) -> None:
    path = tmp_path / "index.sock"
    with Server(tmp_path / "packages", listening=listen_at(path), fallback=False) as server:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(10)
            wire.connect(str(path))
            wire.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.recv(12) == b"HTTP/1.1 200"
        assert server.url == "http://localhost/"
        with pytest.raises(PublishError, match="cannot listen at"):
            listen_at(path)
    # What a killed server leaves is no obstacle.
    listen_at(path).close()


def test_a_private_index_is_read_with_a_login_only(tmp_path: Path) -> None:
    credentials = ensure_credentials(tmp_path / "htpasswd", tmp_path / "secret")
    options = Options(private=True)
    with Server(tmp_path / "packages", fallback=False, credentials=tmp_path / "htpasswd", options=options) as server:

        def status(given: bytes, target: bytes = b"/simple/") -> bytes:
            with connect(server) as wire:
                wire.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n" + given + b"\r\n")
                return wire.recv(12)[9:]

        assert status(b"") == b"401"
        assert status(login("certified:wrong")) == b"401"
        assert status(login(f"certified:{credentials.password}")) == b"200"
        # A trailer is no header: a proxy may pass on what stands there, and looks at nothing of it.
        chunked = b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
        assert status(chunked + login(f"certified:{credentials.password}")) == b"401"
        assert status(b"", b"/health") == b"200"
        assert status(b"", b"/metrics") == status(b"", b"/") == status(b"", b"/packages/x") == b"401"


def test_the_application_runs_under_another_server_by_its_name(tmp_path: Path) -> None:
    made = app.from_environment({"CERTIFIED_INDEX_SETUP": Setup(store=tmp_path / "packages", fallback=False).to_json()})
    sent: list[dict[str, Any]] = []

    async def ask() -> None:
        async def send(message: Any) -> None:
            sent.append(dict(message))

        async def receive() -> Any:
            return {"type": "http.request"}

        scope = {"type": "http", "method": "GET", "path": "/simple/", "query_string": b"", "headers": [(b"host", b"x")]}
        await made(scope, receive, send)

    asyncio.run(ask())
    made.close()
    assert sent[0]["status"] == 200
    assert b"<h1>" in sent[1]["body"] or b"<body" in sent[1]["body"]


def test_who_searches_keeps_no_page_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path / "packages")
    store.add(Upload(filename=NAME), io.BytesIO(wheel()))
    begun, over = threading.Semaphore(0), threading.Event()

    def searching(self: WebPages, words: str) -> bytes:
        begun.release()
        over.wait(30)
        return b"found"

    monkeypatch.setattr(WebPages, "search", searching)
    with Server(store.root, fallback=False) as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(connect(server)) for _ in range(10)]
        for number, wire in enumerate(wires):
            wire.sendall(f"GET /search?q={number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert begun.acquire(timeout=10)
        for path in ("project/tiny/", "", "?q=1", "packages/"):
            with urllib.request.urlopen(f"{server.url}{path}", timeout=10) as answer:
                assert answer.status == 200
        over.set()
        assert {wire.recv(12) for wire in wires} == {b"HTTP/1.1 200"}


def test_who_waits_to_be_told_to_go_on_is_not_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astronomer_certified.index.http.connection._BODY_SECONDS", 0.1)
    monkeypatch.setattr("astronomer_certified.index.http.uploads._PATIENCE", 4.0)
    set_password(tmp_path / "htpasswd", "ann", "a word", "argon2")
    with Server(tmp_path / "packages", fallback=False, credentials=tmp_path / "htpasswd") as server:
        assert server._run is not None
        assert server._run._loop is not None
        places = server._run._application._uploads._coming["ann"].places
        for _ in range(BODIES_OF_ONE):
            assert asyncio.run_coroutine_threadsafe(places.acquire(), server._run._loop).result(10)
        kind = b"Content-Type: multipart/form-data; boundary=x\r\nExpect: 100-continue\r\n\r\n"
        with connect(server) as wire:
            wire.sendall(HEAD.replace(b"\r\n\r\n", b"\r\n" + login("ann:a word") + kind))
            # Longer than a body that does not come may take.
            assert wire.recv(12) == b"HTTP/1.1 503"
