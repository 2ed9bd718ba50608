"""The body of an upload -> whether its parts have heads of a sane length. Only reads.

What reads the form after this (cgi, through Bottle) joins the lines of a head one by one: a file name of 100 MB would
keep a core busy for eight seconds. Looking for the boundaries costs a tenth of a second for as much.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;,"]{1,200}))', re.IGNORECASE)
_HEAD_LIMIT = 16 << 10
# twine sends one for each requirement, and certified wheels have thousands.
_PARTS = 100_000

_CHUNK = 4 << 20


def boundary(content_type: str) -> bytes | None:
    """What stands between the parts; None when the header does not say."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        return None
    return (match[1] or match[2]).encode("latin-1", "replace")


def is_sane(body: BinaryIO, separator: bytes) -> bool:
    """Whether each part has a head of at most 16 kB, and there are not too many. It is at its start again then."""
    mark = b"--" + separator
    sane = True
    for parts, place in enumerate(_places(body, mark)):
        body.seek(place + len(mark))
        head = body.read(_HEAD_LIMIT)
        sane = parts < _PARTS and (head.startswith(b"--") or b"\r\n\r\n" in head)
        if not sane:
            break
    body.seek(0)
    return sane


def _places(body: BinaryIO, mark: bytes) -> Iterator[int]:
    """Where the mark begins a line. Seeks before each read: the caller reads too."""
    start, before = 0, b"\r\n"
    line = b"\r\n" + mark
    while True:
        body.seek(start)
        chunk = body.read(_CHUNK)
        if not chunk:
            return
        data = before + chunk
        place = data.find(line)
        while place != -1:
            yield start - len(before) + place + 2
            place = data.find(line, place + len(line))
        start += len(chunk)
        before = data[-(len(line) - 1) :]
