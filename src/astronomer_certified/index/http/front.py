"""A listening socket -> answers. Known pages and files are sent from here; every other request goes on to the back.

One thread, one epoll: a connection costs a few hundred bytes while it waits, however slow its client is. What a
client sends is either one well-formed GET or HEAD without a body, which `Site` may answer, or it is handed on
unread, with its connection, to a server that is made for the rest (waitress). So there is one strict and short
grammar here, and nothing that could be read in two ways.

Installers send the same bytes again and again. The answer to a request is kept under the very bytes that asked for
it, and given again as long as the file that it was made from has not changed: one recv, one stat, one send.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from astronomer_certified.errors import CertifiedError
from astronomer_certified.index.api.access import Log
from astronomer_certified.index.api.metrics import Counters
from astronomer_certified.index.api.site import SMALL, Answer, Site

from . import grammar
from .grammar import Request
from .response_cache import KeptAnswers

# Bytes of a request up to its body. pip sends 700, with a token 2,000.
HEAD_LIMIT = 16 << 10

_HEAD_SECONDS = 10
_IDLE_SECONDS = 65
_STALLED_SECONDS = 60
_RECV = 64 << 10
_SENDFILE = 1 << 20
# Bytes up to which it costs less to copy a body behind its head than to send two pieces.
_COPIED = 16 << 10

_ACCEPT_AT_ONCE = 16

HandOver = Callable[[socket.socket, tuple[str, int], bytes], None]


@dataclass(slots=True, eq=False)
class _Connection:
    wire: socket.socket
    peer: tuple[str, int]
    deadline: float
    received: bytes = b""
    unsent: memoryview | None = None
    file: int | None = None
    start: int = 0
    end: int = 0
    closing: bool = False


class Front:
    """Answers on `listening` until `stop`. Run `run` in a thread of its own."""

    def __init__(  # noqa: PLR0913  goes with the server that is kept elsewhere
        self, listening: socket.socket, site: Site, hand_over: HandOver, counters: Counters, log: Log, *, limit: int,
        trusted: str | None = None,
    ) -> None:  # fmt: skip
        self._listening = listening
        self._site = site
        self._hand_over = hand_over
        self._counters = counters
        self._log = log
        self._limit = limit
        self._trusted = trusted
        self._epoll = select.epoll()
        self._waker, self._wakes = socket.socketpair()
        self._connections: dict[int, _Connection] = {}
        self._kept = KeptAnswers()
        self._accepting = False
        self._date = grammar.date()
        self._stopping = False
        self._left = False
        self._waits_for_idle = False
        self._until = 0.0
        listening.setblocking(False)
        self._epoll.register(self._wakes, select.EPOLLIN)

    def stop(self, until: float, *, waits_for_idle: bool = False) -> None:
        """No new connections; requests that have arrived are answered first, until then (by time.monotonic) at most.

        With `waits_for_idle`, a client may ask once more over a connection that it has open already: for as long as
        such a connection may be idle anyway. From any thread, and again with less patience.
        """
        self._until = until
        self._waits_for_idle = waits_for_idle
        self._stopping = True
        with contextlib.suppress(OSError):
            self._waker.send(b"x")

    def run(self) -> None:
        self._listen(on=True)
        listening, wakes = self._listening.fileno(), self._wakes.fileno()
        tick = time.monotonic() + 1
        poll, connections = self._epoll.poll, self._connections
        while not (self._left and (not self._busy() or time.monotonic() > self._until)):
            for number, event in poll(1.0, 256):
                if number == listening:
                    if self._accepting:  # it may have been closed by an event of the same batch
                        self._accept()
                elif number == wakes:
                    self._wakes.recv(100)
                    self._leave()
                elif (connection := connections.get(number)) is not None:
                    self._serve(connection, event)
            now = time.monotonic()
            if now >= tick:
                tick = now + 1
                self._date = grammar.date()
                self._expire(now)
                if self._accepting:
                    # A worker that was killed may have been the only one that was woken for a connection.
                    self._accept()
        self._close_all()

    # --- connections

    def _busy(self) -> bool:
        if self._waits_for_idle:
            return bool(self._connections)
        return any(c.unsent or c.file is not None or c.received for c in self._connections.values())

    def _leave(self) -> None:
        """Who comes now is refused, or another worker's. Closing a connection with something unread in it would reset
        it under a client that has done nothing wrong, so all that has arrived is read."""
        if not self._left:
            self._listen(on=False)
            # The kernel may have woken this worker alone for connections that it has not accepted yet.
            while self._accept():
                pass
            self._listening.close()
        for connection in [c for c in self._connections.values() if c.unsent is None and c.file is None]:
            self._serve(connection, select.EPOLLIN)
        self._left = True

    def _listen(self, *, on: bool) -> None:
        if on != self._accepting:
            self._accepting = on
            if on:
                # Exclusive: a new connection wakes one of the workers, not all of them.
                self._epoll.register(self._listening, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            else:
                self._epoll.unregister(self._listening)

    def _accept(self) -> bool:
        """Whether there may be more."""
        for _ in range(_ACCEPT_AT_ONCE):
            if len(self._connections) >= self._limit:
                self._evict()
            try:
                wire, peer = self._listening.accept()
            except BlockingIOError:
                return False
            except OSError:
                # No descriptors left, or a client that is gone already. Either way the others go on.
                self._evict()
                return False
            wire.setblocking(False)
            if wire.family != socket.AF_UNIX:
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(wire, (str(peer[0]), int(peer[1])), time.monotonic() + _HEAD_SECONDS)
            self._connections[wire.fileno()] = connection
            self._epoll.register(wire, select.EPOLLIN)
        return True

    def _evict(self) -> None:
        """The connection that has waited longest makes room."""
        idle = (c for c in self._connections.values() if c.unsent is None and c.file is None)
        if (oldest := min(idle, key=lambda c: c.deadline, default=None)) is not None:
            self._close(oldest)

    def _expire(self, now: float) -> None:
        self._log.flush()
        self._counters.publish(connections=len(self._connections))
        for connection in [c for c in self._connections.values() if c.deadline < now]:
            if connection.received and connection.unsent is None and connection.file is None:
                self._refuse(connection, HTTPStatus.REQUEST_TIMEOUT)
            else:
                self._close(connection)

    def _close(self, connection: _Connection) -> None:
        connection.closing = True
        self._forget(connection)
        connection.wire.close()

    def _forget(self, connection: _Connection) -> None:
        self._connections.pop(connection.wire.fileno(), None)
        with contextlib.suppress(OSError):
            self._epoll.unregister(connection.wire)
        if connection.file is not None:
            os.close(connection.file)
            connection.file = None

    def _close_all(self) -> None:
        for connection in list(self._connections.values()):
            self._close(connection)
        self._epoll.close()
        self._waker.close()
        self._wakes.close()
        self._log.flush()
        self._counters.publish(connections=0)

    # --- one connection

    def _serve(self, connection: _Connection, event: int) -> None:
        try:
            if event & select.EPOLLOUT:
                self._send_on(connection)
            elif event & select.EPOLLIN:
                self._receive(connection)
            else:
                self._close(connection)
        except OSError:  # the client is gone, or a file cannot be read: the others go on
            self._close(connection)

    def _receive(self, connection: _Connection) -> None:
        try:
            chunk = connection.wire.recv(_RECV)
        except BlockingIOError:
            return
        if not chunk:
            self._close(connection)
            return
        if not connection.received:
            kept = self._kept.get(chunk) if not self._stopping else None
            if kept is not None:
                self._note(connection, kept.answer, kept.request)
                self._start(connection, kept.first + self._date, kept.rest, keep_alive=kept.request.keep_alive)
                return
            connection.deadline = time.monotonic() + _HEAD_SECONDS
            connection.received = chunk
        else:
            connection.received += chunk
        self._take(connection)

    def _take(self, connection: _Connection) -> None:
        """Requests that are there as a whole are answered, in order, as long as the answers go out at once."""
        while connection.received and connection.unsent is None and connection.file is None:
            data = connection.received
            if b"\r\n\r\n" not in data[:HEAD_LIMIT]:
                if len(data) >= HEAD_LIMIT:
                    self._refuse(connection, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return
            request = grammar.parse(data)
            try:
                answer = self._site.answer(request.target, request.headers) if request is not None else None
            except CertifiedError as err:
                # A damaged record: its project is not served, every other one is.
                print(f"certified: {err}", file=sys.stderr, flush=True)
                self._refuse(connection, HTTPStatus.INTERNAL_SERVER_ERROR)
                return
            if request is None and not grammar.passable(data):
                self._refuse(connection, HTTPStatus.BAD_REQUEST)
                return
            if request is None or answer is None:
                self._pass_on(connection)
                return
            connection.received = data[request.length :]
            self._give(connection, request, answer, data[: request.length])
            if connection.closing:
                return

    def _pass_on(self, connection: _Connection) -> None:
        received = connection.received
        self._forget(connection)
        self._hand_over(connection.wire, connection.peer, received)

    def _give(self, connection: _Connection, request: Request, answer: Answer, asked: bytes) -> None:
        keep_alive = request.keep_alive and not self._stopping
        first, rest = grammar.head(answer, keep_alive=keep_alive)
        file = None
        if request.method != "HEAD":
            if answer.file is None:
                rest += answer.body
            else:
                file = _open(answer.file)
                if file is None:  # between its stat and now
                    self._refuse(connection, HTTPStatus.GONE)
                    return
                if answer.length <= SMALL:
                    # Kept with its headers, it costs one system call instead of four.
                    body = os.pread(file, answer.length, answer.span[0])
                    os.close(file)
                    rest += body
                    file = None
        if file is not None:
            connection.file, (connection.start, connection.end) = file, answer.span
        elif not self._stopping:
            self._kept.keep(asked, request, answer, first, rest)
        self._note(connection, answer, request)
        self._start(connection, first + self._date, rest, keep_alive=keep_alive)

    def _note(self, connection: _Connection, answer: Answer, request: Request | None) -> None:
        self._counters.count(answer.route, answer.status, answer.length)
        if self._log.wanted:
            method, target = (request.method, request.target) if request is not None else ("", "")
            forwarded = request.headers.get("x-forwarded-for", "") if request is not None else ""
            peer = grammar.client(connection.peer[0], forwarded, self._trusted)
            self._log.add(peer, method, target, answer.status, answer.length)

    def _refuse(self, connection: _Connection, status: HTTPStatus) -> None:
        body = f"{status.description or status.phrase}\n".encode()
        answer = Answer(status=status, headers=(("Content-Type", "text/plain"),), body=body)
        self._note(connection, answer, None)
        first, rest = grammar.head(answer, keep_alive=False)
        with contextlib.suppress(OSError):
            connection.wire.send(first + self._date + rest + body)
        self._close(connection)

    # --- sending

    def _start(self, connection: _Connection, first: bytes, rest: bytes, *, keep_alive: bool) -> None:
        connection.closing = not keep_alive
        try:
            if len(rest) < _COPIED:
                rest = first + rest
                first = b""
                sent = connection.wire.send(rest, socket.MSG_MORE if connection.file is not None else 0)
            else:
                sent = connection.wire.sendmsg((first, rest))
        except BlockingIOError:
            sent = 0
        unsent = len(first) + len(rest) - sent
        if unsent or connection.file is not None:
            if unsent:
                connection.unsent = memoryview(first + rest if unsent > len(rest) else rest)[-unsent:]
            connection.deadline = time.monotonic() + _STALLED_SECONDS
            self._epoll.modify(connection.wire, select.EPOLLOUT)
        elif connection.closing:
            self._close(connection)
        else:
            connection.deadline = time.monotonic() + _IDLE_SECONDS

    def _send_on(self, connection: _Connection) -> None:
        """As much goes out as the client takes now. Nothing is read from it until all is sent."""
        connection.deadline = time.monotonic() + _STALLED_SECONDS
        try:
            while connection.unsent:
                connection.unsent = connection.unsent[connection.wire.send(connection.unsent) :]
            connection.unsent = None
            while connection.file is not None and connection.start < connection.end:
                wanted = min(_SENDFILE, connection.end - connection.start)
                sent = os.sendfile(connection.wire.fileno(), connection.file, connection.start, wanted)
                if sent == 0:  # cut short under our hands: the client must see that it is not whole
                    self._close(connection)
                    return
                connection.start += sent
        except BlockingIOError:
            return
        if connection.file is not None:
            os.close(connection.file)
            connection.file = None
        if connection.closing:
            self._close(connection)
            return
        self._epoll.modify(connection.wire, select.EPOLLIN)
        connection.deadline = time.monotonic() + _IDLE_SECONDS
        self._take(connection)


def _open(path: os.PathLike[str]) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
