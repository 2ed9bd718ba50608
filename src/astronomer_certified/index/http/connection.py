"""One connection of uvicorn's, with limits: on the head of a request, on time, and on how many there are at once.

uvicorn answers whoever is connected; who may stay is said here. A connection has a deadline for each thing that it
waits for, and `Doorkeeper` looks at all of them once a second. Where there are too many, the one that has waited
longest for nothing makes room for the next.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import re
import time
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from .messages import GONE, REASON

# Bytes of a request up to its body. pip sends 700, with a token 2,000.
HEAD_LIMIT = 16 << 10
_HEADERS = 100

# Seconds for a whole head; without a request; without a byte taken of an answer; until a body must have come, or be
# coming at so many bytes a second.
_HEAD_SECONDS = 10.0
IDLE_SECONDS = 65.0
STALLED_SECONDS = 60.0
_BODY_SECONDS = 30.0
_BODY_SLOWEST = 2000

# Seconds without progress after which a connection may be given up when there is no room for another.
_PATIENCE_WHEN_FULL = 0.5

_LINE_END = b"\r\n"
_END_OF_HEAD = b"\r\n\r\n"

# Bytes behind a request that is not answered yet, which were read before it was seen that there are some. More than a
# server gets at once, a few times over.
_HELD = 2 << 20

# Bytes of a body that was refused which are read and thrown away, so that a client that sends first and reads then
# finds the answer (RFC 9112, 9.6).
_DISCARDED = 256 << 20

# Bytes of a body in chunks that may be their sizes and extensions (RFC 9112, 7.1.1), besides so many for each byte of
# content. A chunk of one byte needs five more; an extension has no end of its own, and nobody is known to send one.
_FRAMING = 64 << 10
_FRAMING_PER_BYTE = 8

# Two servers may read such a line in two ways; the parser takes it.
_AMBIGUOUS = re.compile(rb"[^\r\n ]* [ \t]|[^\r\n ]*\t|[^\r\n ]* [^\r\n ]*(?: [ \t]|\t)")


class Doing(enum.IntEnum):
    """What a connection does, the least worth keeping first."""

    IDLE = 0
    SENDING_A_HEAD = 1
    SENDING_A_BODY = 2
    READING_AN_ANSWER = 3


class Doorkeeper:
    """Who may be connected to one server. For the thread of its event loop."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.connections: set[Connection] = set()
        self.leaving = False
        """Set when the server is told to go: each connection gets one more answer at most."""

    def admit(self, connection: Connection) -> None:
        """A connection is there; where it is one too many, another goes, or itself when all others are at work."""
        self.connections.add(connection)
        if len(self.connections) > self.limit:
            self._victim(connection).abort()

    def _victim(self, newcomer: Connection) -> Connection:
        now = time.monotonic()
        waiting = [
            other for other in self.connections
            if other is not newcomer and (other.doing is Doing.IDLE or other.quiet(now) > _PATIENCE_WHEN_FULL)
        ]  # fmt: skip
        return min(waiting, key=lambda other: (other.is_new(now), other.doing, -other.quiet(now)), default=newcomer)

    def look(self) -> None:
        """Every connection that has used up its time is closed."""
        now = time.monotonic()
        # A list first: who is given up leaves the set.
        for connection in [one for one in self.connections if one.is_late(now)]:
            connection.give_up()

    def leave(self) -> None:
        """From now on every answer is the last one of its connection."""
        self.leaving = True


class Connection(HttpToolsProtocol):
    """uvicorn's connection, counted and timed. `refusal` is the status for a request that is refused unread."""

    doorkeeper: Doorkeeper

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        now = time.monotonic()
        self._since = now
        self._progress = now
        self._buffered = 0
        self._head = b""
        self._begun = False
        self._left = 0
        self._parsed = 0
        self._count = 0
        self._body = 0
        self._content = 0
        self._in_head = True
        self._in_body = False
        self._refusal = 400
        self._held = b""

    # --- what happens on the wire

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It is connected, and somebody else may have to go for it."""
        super().connection_made(transport)
        self.doorkeeper.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is connected no more."""
        self.doorkeeper.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came. A head that is too long is refused before it is whole; what comes behind a request waits until
        that is answered, and is not read meanwhile."""
        data = self._held + data
        # In pieces: the parser does not tell where in a packet the next request begins, and each has limits of its own.
        while data and not self.transport.is_closing() and not self._unanswered:
            size = self._size_of_piece(data)
            self._take(data[:size])
            data = data[size:]
        # uvicorn would take apart and keep all that a client asks before it takes an answer.
        self._held = b"" if self.transport.is_closing() else data
        if self._held:
            self.flow.pause_reading()
        if len(self._held) > _HELD:
            self.abort()

    @property
    def _unanswered(self) -> bool:
        """Whether a request is whole and its answer is not."""
        return self.cycle is not None and not self.cycle.response_complete and not self._in_body

    def on_response_complete(self) -> None:
        """An answer is on its way as a whole. The next request is taken up, when one waits."""
        super().on_response_complete()
        if self._held and not self.transport.is_closing():
            self.data_received(b"")

    def _size_of_piece(self, data: bytes) -> int:
        """How many of these bytes belong to the head, or body, that is being read."""
        if not self._in_head:
            return min(self._left, len(data)) or len(data)
        seen = self._head[1 - len(_END_OF_HEAD) :]
        end = (seen + data).find(_END_OF_HEAD)
        return len(data) if end < 0 else end + len(_END_OF_HEAD) - len(seen)

    def _take(self, piece: bytes) -> None:
        self._progress = time.monotonic()
        if self._in_head:
            self._since = self._since if self._head else self._progress
            # Raw bytes: the parser tells of a header once it is whole, and one may never end.
            before, self._head = self._head, self._head + piece
            self._begun = bool(before.strip(_LINE_END))
            if _is_ambiguous(before, self._head):
                self.send_400_response("one space stands between the words of a request line")
                return
        else:
            self._body += len(piece)
            if self.cycle is not None and self.cycle.response_complete and self._body > _DISCARDED:
                self.abort()
                return
            self._left -= min(self._left, len(piece))
            self._begun = True
        super().data_received(piece)
        if self._in_body and self._body > self._content * (1 + _FRAMING_PER_BYTE) + _FRAMING:
            self.abort()
        if self._in_head and len(self._head) > HEAD_LIMIT and not self.transport.is_closing():
            self._refusal = 431
            self.send_400_response("the head of this request is too long")

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more. Whose request is whole is still answered, and then the connection ends: some close
        their half of it when they have asked (RFC 9112, 9.6)."""
        if self._unanswered:
            self.cycle.keep_alive = False
        return self._unanswered

    def resume_writing(self) -> None:
        """The client took what waited for it."""
        self._progress = time.monotonic()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """One last answer to what cannot be read as a request."""
        # In place of uvicorn's own, which knows the status 400 alone.
        reason = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}[self._refusal]
        body = f"{msg}\n".encode("ascii", "replace")
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (self._refusal, reason, len(body), body)
        )
        self.transport.close()

    # --- what the parser finds

    def on_message_begin(self) -> None:
        """A request begins. Raises ValueError where it may not: behind another one whose end the parser alone knows."""
        # Of a body in chunks only the parser finds the end. Nobody is known to send a request in the packet of that end
        # (RFC 9112, 9.3.2: not after a POST), and its line could not be looked at.
        if self._begun:
            raise ValueError("a request in the packet of another")
        self._begun = True
        self._in_head, self._in_body = True, False
        self._count, self._parsed, self._body, self._content = 0, 0, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the target came. Raises ValueError for one that is too long."""
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header came, or a trailer after a body in chunks. Raises ValueError for one too many, or too long."""
        self._count += 1
        self._grow(len(name) + len(value))
        # A trailer would become a header for uvicorn: a login, or the address of somebody else (RFC 9110, 6.5.1).
        if self._in_head:
            super().on_header(name, value)

    def _grow(self, size: int) -> None:
        # What the parser found is counted as well: one packet may bring the end of a body and a head, or trailers.
        self._parsed += size
        if self._count > _HEADERS or self._parsed > HEAD_LIMIT:
            self._refusal = 431
            raise ValueError("the head is too long")

    def on_headers_complete(self) -> None:
        """The head is whole. Raises ValueError for one that two servers could read in two ways."""
        # RFC 9112, 3.2: 400 for more than one Host, and for none in HTTP/1.1.
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise ValueError("not one Host")
        self._in_head, self._head = False, b""
        self._in_body = True
        # 0 for none as well as for one in chunks.
        self._left = sum(int(value.lstrip(b"0") or b"0") for name, value in self.headers if name == b"content-length")
        self._since = time.monotonic()
        super().on_headers_complete()
        # Of this request's answer: when that is made, `cycle` may be that of a request behind it already.
        cast(dict[str, Any], self.scope)["extensions"] = {
            REASON: functools.partial(self._say_why, self.cycle),
            GONE: functools.partial(getattr, self.cycle, "disconnected"),
        }
        if self.doorkeeper.leaving and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A piece of content came."""
        self._content += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._in_head, self._in_body, self._head = True, False, b""
        super().on_message_complete()

    def _say_why(self, cycle: RequestResponseCycle, reason: str) -> None:
        """The status line of that answer will have this reason in place of the usual phrase."""
        # A line break in it would begin a header of somebody else's making.
        text = reason.encode("ascii", "replace").translate(None, b"\r\n")
        cycle.transport = cast(asyncio.Transport, _StatusLine(self.transport, text))

    # --- what the doorkeeper asks

    @property
    def doing(self) -> Doing:
        """What it is at now."""
        if (self.cycle is not None and not self.cycle.response_complete) or self._buffer():
            return Doing.SENDING_A_BODY if self._in_body else Doing.READING_AN_ANSWER
        if self._in_body:
            return Doing.SENDING_A_BODY
        return Doing.SENDING_A_HEAD if self._head else Doing.IDLE

    def quiet(self, now: float) -> float:
        """Seconds since the client last sent, or took, something."""
        # asyncio tells that a buffer has run low, not that it shrinks: a slow reader would look like one that reads
        # nothing.
        left = self._buffer()
        if left < self._buffered:
            self._progress = now
        self._buffered = left
        return now - self._progress

    def is_late(self, now: float) -> bool:
        """Whether what it waits for should have come by now."""
        quiet, waited = self.quiet(now), now - self._since
        match self.doing:
            case Doing.IDLE:
                # Who has not asked for anything yet has as long as for a head.
                return quiet > (IDLE_SECONDS if self.cycle is not None else _HEAD_SECONDS)
            case Doing.SENDING_A_HEAD:
                return waited > _HEAD_SECONDS
            case Doing.SENDING_A_BODY:
                # While its bytes are not taken from the kernel, or it waits to be told to go on, this side is slow.
                waits = self.cycle is not None and self.cycle.waiting_for_100_continue
                theirs = not self.flow.read_paused and not waits
                return theirs and quiet > 1 and self._body < (waited - _BODY_SECONDS) * _BODY_SLOWEST
            case Doing.READING_AN_ANSWER:
                # With nothing in the buffer it is the application that takes its time.
                return bool(self._buffer()) and quiet > STALLED_SECONDS

    def is_new(self, now: float) -> bool:
        """Whether it has asked nothing yet, and had hardly the time to: several are accepted before one is read."""
        return self.cycle is None and not self._head and self.quiet(now) <= _PATIENCE_WHEN_FULL

    def give_up(self) -> None:
        """It was late. Who began a request is told so, if he takes it."""
        if self.doing is Doing.SENDING_A_HEAD and not self.transport.is_closing() and not self._buffer():
            self._refusal = 408
            self.send_400_response("this request took too long to come")
        else:
            self.abort()

    def abort(self) -> None:
        """The connection is gone, whatever was still to be sent over it."""
        self.transport.abort()

    def _buffer(self) -> int:
        return self.transport.get_write_buffer_size() if self.transport is not None else 0


def _is_ambiguous(before: bytes, head: bytes) -> bool:
    """Whether this beginning of a head, of which `before` was known, has a whole request line that may be misread."""
    # Empty lines before a request count for nothing (RFC 9112, 2.2).
    line = head.lstrip(_LINE_END)
    return b"\n" in line and b"\n" not in before.lstrip(_LINE_END) and _AMBIGUOUS.match(line) is not None


class _StatusLine:
    """A transport for one answer of uvicorn's, whose first line ends in a reason of its own."""

    def __init__(self, transport: asyncio.Transport, reason: bytes) -> None:
        self._transport = transport
        self._reason = reason

    def write(self, data: bytes) -> None:
        """The bytes are sent; of the first ones, the status line with the reason."""
        if self._reason:
            line, _, rest = data.partition(b"\r\n")
            data = b" ".join([*line.split(b" ")[:2], self._reason]) + b"\r\n" + rest
            self._reason = b""
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
