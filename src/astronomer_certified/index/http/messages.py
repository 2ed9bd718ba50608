"""ASGI messages <-> a request, and an answer of `api`: what any ASGI server says and is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from astronomer_certified.index.api.site import Answer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# The extension by which a server lets an answer say why in its status line. ASGI knows no reason phrases, and twine
# shows people nothing else.
REASON = "certified.reason"

# The extension by which a server says whether the reader has gone. One that lacks it raises when it is told to send
# (ASGI 2.4), or takes what nobody reads.
GONE = "certified.gone"

# Bytes of a file that are read at once: what a connection holds for who does not read is some of them.
PIECE = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, as far as its head says. Names of headers are in lower case; `peer` is who asks."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    peer: str
    extensions: Mapping[str, Any] = field(default_factory=dict)

    def gone(self) -> bool:
        """Whether nobody waits for the answer any more, as far as the server says."""
        found: bool = self.extensions.get(GONE, _stays)()
        return found

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line, percent-encoded."""
        return f"{self.path}?{self.query}" if self.query else self.path


def _stays() -> bool:
    return False


def request_of(scope: Scope, trusted: str | None) -> Request:
    """What a scope asks for. `trusted` is the proxy whose X-Forwarded-For is believed."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, given = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        # Of a header that came twice, both are kept (RFC 9110, 5.3).
        headers[key] = f"{headers[key]}, {given}" if key in headers else given
    if scope["method"] != "GET":
        headers.pop("range", None)  # is defined for GET alone (RFC 9110, 14.2)
    # ASGI's `path` is decoded: a `%2F` in it has become a slash. Servers may leave `raw_path` out.
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    peer = (scope.get("client") or ("",))[0]
    return Request(
        method=scope["method"],
        path=raw.decode("latin-1"),
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        peer=client(peer, headers.get("x-forwarded-for", ""), trusted),
        extensions=scope.get("extensions") or {},
    )


def client(peer: str, forwarded: str, trusted: str | None) -> str:
    """Who asks: whom a trusted proxy names last in X-Forwarded-For, else who is connected.

    `peer` is empty on a Unix socket, which only a proxy on this machine can reach: there, any that is trusted is meant.
    """
    if trusted is None or (peer and trusted not in (peer, "*")):
        return peer
    # The last one is what the proxy has added; those before it anybody may have written.
    return forwarded.rpartition(",")[2].strip(' "[]')[:100] or peer


async def give(answer: Answer, send: Send, *, head_only: bool, gone: Callable[[], bool]) -> None:
    """The answer is sent, a file piece by piece as its reader takes it, for as long as there is one.

    Raises ConnectionAbortedError when the file ends before it should: half an answer must not look like a whole one.
    """
    if head_only or (answer.file is None and len(answer.body) <= PIECE):
        await say(send, answer, head_only=head_only)
        return
    if answer.file is None:
        await send(_start(answer))
        await _give_body(answer.body, send, gone)
        return
    try:
        file = answer.file.open("rb")
    except OSError:
        await say(send, text(HTTPStatus.GONE, "This file is gone from the store."))
        return
    with file:
        await send(_start(answer))
        file.seek(answer.span[0])
        left = answer.length
        while left and not gone():
            piece = file.read(min(PIECE, left))
            if not piece:
                raise ConnectionAbortedError(f"{answer.file.name} is shorter than it was a moment ago")
            left -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": bool(left)})
            # A server that can send at once gives nobody else a turn.
            await asyncio.sleep(0)
        if not answer.length:
            await send({"type": "http.response.body", "body": b""})


async def _give_body(body: bytes, send: Send, gone: Callable[[], bool]) -> None:
    # In pieces: what waits for a slow reader is copied by some servers, and there may be many of those.
    whole = memoryview(body)
    for start in range(0, len(body), PIECE):
        if gone():
            return
        piece, more = bytes(whole[start : start + PIECE]), start + PIECE < len(body)
        await send({"type": "http.response.body", "body": piece, "more_body": more})
        await asyncio.sleep(0)


async def say(send: Send, answer: Answer, *, head_only: bool = False) -> None:
    """An answer whose body is in memory is sent; of one to a HEAD, its head."""
    await send(_start(answer))
    await send({"type": "http.response.body", "body": b"" if head_only else answer.body})


def for_one_reader(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that no cache may give to anybody else (RFC 9111, 5.2.2.7)."""
    kept, policy, varying = [], b"", [b"Authorization"]
    for name, value in headers:
        if name == b"cache-control":
            policy = value
        elif name == b"vary":
            varying.append(value)
        else:
            kept.append((name, value))
    words = [b"private", *(word.strip() for word in policy.split(b",") if word.strip() not in (b"", b"public"))]
    return [*kept, (b"cache-control", b", ".join(words)), (b"vary", b", ".join(varying))]


def text(status: int, words: str, headers: tuple[tuple[str, str], ...] = (), route: str = "other") -> Answer:
    """A line for people and programs."""
    kind = (("Content-Type", "text/plain; charset=utf-8"),)
    return Answer(status=int(status), headers=(*kind, *headers), body=f"{words}\n".encode(), route=route)


def encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI has them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]


def _start(answer: Answer) -> MutableMapping[str, Any]:
    headers = list(answer.headers)
    # Of a 304 it would have to be the length of the 200 (RFC 9110, 8.6), which is not known here.
    if answer.status != HTTPStatus.NOT_MODIFIED:
        headers.append(("Content-Length", str(answer.length)))
    return {"type": "http.response.start", "status": answer.status, "headers": encoded(headers)}
