"""The store -> one page with every served file, for `pip install --find-links`. Reads the store.

Of 200,000 files it is 40 MB, and takes seconds to make: it is made by one thread at a time, never twice for one state
of the store, and no more often than a tenth of the time goes into it. Meanwhile its readers get the one before.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from packaging.utils import NormalizedName

from astronomer_certified.errors import PublishError
from astronomer_certified.index.store.records import ProjectRecord
from astronomer_certified.index.store.store import Store

from . import negotiation
from .compression import compress, encodings
from .pages import Places, link
from .site import Address, Answer, stamp_of

# Seconds within which two changes can have one time: file systems have a coarse clock.
_COARSE = 1.0

# Seconds that a reader waits for the first page; then it is asked to come again, which pip does by itself.
_TURN = 1.0

# The share of the time that goes into making the page is one in so many.
_SHARE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A page, the time of the store that it shows, and until when on our clock it is good enough whatever changes."""

    body: bytes
    etag: str
    stamp: int
    until: float
    settled: bool
    coded: dict[str, bytes] = field(default_factory=dict)
    """The body in each content encoding that somebody asked for: made once, too."""


class FindLinks:
    """The page, as it is now. From any thread."""

    def __init__(self, store: Store, address: Address) -> None:
        self._store = store
        public = address.public_url
        self._places = Places(files="", provenance=f"{public}integrity/" if public else None)
        self._turn = threading.Lock()
        self._made: _Made | None = None

    def answer(self, headers: Mapping[str, str]) -> Answer:
        """The answer to a GET of `/packages/`."""
        made = self._made
        if made is None or not self._is_fresh(made):
            if self._turn.acquire(timeout=0 if made is not None else _TURN):
                try:
                    made = self._made
                    if made is None or not self._is_fresh(made):
                        made = self._made = self._make()
                finally:
                    self._turn.release()
            elif made is None:
                return Answer(status=503, headers=(("Retry-After", "1"),), body=b"Being made.\n", route="files")
        encoding = self._coded(made, negotiation.encoding(headers.get("accept-encoding", ""), encodings()))
        etag = f'"{made.etag}{"-" + encoding if encoding else ""}"'
        common = (("ETag", etag), ("Vary", "Accept-Encoding"), ("Cache-Control", "no-cache"))
        if negotiation.matches(headers.get("if-none-match", ""), etag):
            return Answer(status=304, headers=common, route="files")
        coding = (("Content-Encoding", encoding),) if encoding else ()
        body = made.coded[encoding] if encoding else made.body
        kind = (("Content-Type", "text/html; charset=utf-8"),)
        return Answer(status=200, headers=(*kind, *common, *coding), body=body, route="files")

    def _coded(self, made: _Made, encoding: str | None) -> str | None:
        """The encoding in which the page is there now; None while another thread has the turn to make it."""
        if encoding is not None and encoding not in made.coded and self._turn.acquire(timeout=_TURN):
            try:
                if encoding not in made.coded:
                    made.coded[encoding] = compress(made.body, encoding)
            finally:
                self._turn.release()
        return encoding if encoding in made.coded else None

    def _is_fresh(self, made: _Made) -> bool:
        if time.monotonic() < made.until:
            return True
        # A record is replaced by rename, which changes the time of its folder.
        return made.settled and made.stamp == stamp_of(self._store.records / "projects")

    def _make(self) -> _Made:
        began = time.monotonic()
        stamp = stamp_of(self._store.records / "projects")  # first: what changes meanwhile makes the page old
        settled = time.time() - stamp / 1e9 > _COARSE
        body = page(line for name in self._store.names() for line in self._lines(name))
        etag = hashlib.sha256(body).hexdigest()[:32]
        ended = time.monotonic()
        return _Made(body=body, etag=etag, stamp=stamp, until=ended + (ended - began) * (_SHARE - 1), settled=settled)

    def _lines(self, name: NormalizedName) -> Iterable[str]:
        try:
            record = self._store.project(name)
        except PublishError:
            return ()  # one damaged record is no reason to have no page
        return lines(record, self._places) if record is not None else ()


def lines(record: ProjectRecord, places: Places) -> list[str]:
    """A line for each file that is served."""
    return [link(file, places) for file in record.served]


def page(links: Iterable[str]) -> bytes:
    """The page of these lines."""
    title = "All files"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n</head>\n'
        f"<body>\n<h1>{title}</h1>\n{''.join(links)}</body>\n</html>\n"
    ).encode()
