"""Bytes of a request -> a request; an answer -> the bytes of its head. The part of HTTP/1.1 that the front speaks.

What does not follow this grammar to the letter is not refused here, but not understood either: it goes to a server
that knows the rest. RFC 9112.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from astronomer_certified.index.api.site import Answer

_HEAD = re.compile(
    rb"(GET|HEAD) (/[!-~]*) HTTP/1\.([01])\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}:[\t\x20-\x7e\x80-\xff]*\r\n){0,100})\r\n"
)
_LINE = re.compile(rb"[A-Z]{1,20} [!-~]+ HTTP/1\.([01])")
_FOLDED = re.compile(rb"\r\n[ \t]")
_HOST = re.compile(rb"[\r\n]host[ \t]*:", re.IGNORECASE)
_CODING = re.compile(rb"[\r\n]transfer-encoding[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_WITH_BODY = frozenset((b"transfer-encoding", b"expect", b"upgrade", b"proxy-connection"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A GET or HEAD without a body. Names of headers are in lower case; of one that came twice, both are kept."""

    method: str
    target: str
    headers: Mapping[str, str]
    keep_alive: bool
    length: int
    """Bytes of the head: what follows is the next request."""


def head(answer: Answer, *, keep_alive: bool) -> tuple[bytes, bytes]:
    """The head of an answer in two parts: the date belongs between them, so that the rest can be kept."""
    lines = [*(f"{name}: {value}" for name, value in answer.headers)]
    if answer.status != HTTPStatus.NOT_MODIFIED:
        lines.append(f"Content-Length: {answer.length}")
    if not keep_alive:
        lines.append("Connection: close")
    first = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
    return first.encode("ascii"), "\r\n".join([*lines, "", ""]).encode("latin-1")


def passable(data: bytes) -> bool:
    """Whether a head is at least clear about what it asks for, and of whom: two servers could not differ on that."""
    before_body = data[: data.index(b"\r\n\r\n") + 2]
    first, _, lines = before_body.partition(b"\r\n")
    line = _LINE.fullmatch(first)
    hosts = len(_HOST.findall(b"\r\n" + lines))
    if line is None or b"\0" in before_body or _FOLDED.search(before_body):
        return False
    if any(coding.strip().lower() != b"chunked" for coding in _CODING.findall(before_body)):
        return False  # the only one that everybody reads alike
    return hosts == 1 or (hosts == 0 and line[1] == b"0")


def parse(data: bytes) -> Request | None:
    """The request at the start of `data`; None for anything that is not plainly a GET or HEAD without a body."""
    match = _HEAD.match(data)
    if match is None:
        return None
    method, target, minor, lines = match.groups()
    headers: dict[str, str] = {}
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        key = name.lower()
        if key in _WITH_BODY or (key == b"content-length" and value.strip() != b"0"):
            return None
        text = key.decode("ascii")
        if text in headers:
            if key in (b"host", b"content-length"):
                return None
            headers[text] += f", {value.strip().decode('latin-1')}"
        else:
            headers[text] = value.strip().decode("latin-1")
    if minor == b"1" and "host" not in headers:
        return None
    if method == b"HEAD":
        headers.pop("range", None)  # is defined for GET alone (RFC 9110, 14.2)
    wishes = headers.get("connection", "").lower()
    return Request(
        method=method.decode("ascii"),
        target=target.decode("ascii"),
        headers=headers,
        keep_alive="close" not in wishes if minor == b"1" else "keep-alive" in wishes,
        length=match.end(),
    )


def field(data: bytes, name: bytes) -> str:
    """What the head at the start of `data` says of this header, all its lines joined (RFC 9110, 5.3); else nothing."""
    head = data[: data.index(b"\r\n\r\n") + 2]
    found = re.findall(rb"\n" + re.escape(name) + rb":[ \t]*([^\r\n]*)", head, re.IGNORECASE)
    return ", ".join(value.strip().decode("latin-1") for value in found)


def client(peer: str, forwarded: str, trusted: str | None) -> str:
    """Who asks: whom a trusted proxy names last in X-Forwarded-For, else who is connected."""
    if trusted not in (peer, "*"):
        return peer
    return forwarded.rpartition(",")[2].strip(' "[]')[:100] or peer


def date() -> bytes:
    """The header of this second."""
    return f"Date: {formatdate(usegmt=True)}\r\n".encode("ascii")
