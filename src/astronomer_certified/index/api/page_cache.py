"""Rendered pages, kept by the state of what they were made from. Knows nothing of what is on them. From any thread."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable

# Bytes that one cache keeps.
_LIMIT = 64 << 20


class PageCache:
    """Rendered pages, each made once for each state of its record; the least used go first."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], tuple[int, bytes, str]] = OrderedDict()

    def known(self, key: tuple[object, ...], stamp: int) -> tuple[bytes, str] | None:
        """The page and its entity tag; None when it has to be made."""
        with self._lock:
            known = self._kept.get(key)
            if known is None or known[0] != stamp:
                return None
            self._kept.move_to_end(key)
            return known[1:]

    def get(self, key: tuple[object, ...], stamp: int, make: Callable[[], bytes]) -> tuple[bytes, str]:
        """The page and its entity tag, made where it is not known."""
        if (known := self.known(key, stamp)) is not None:
            return known
        body = make()
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        with self._lock:
            before = self._kept.get(key)
            self._size += len(body) - (len(before[1]) if before else 0)
            self._kept[key] = (stamp, body, etag)
            self._kept.move_to_end(key)
            while self._size > self._limit and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1][1])
        return body, etag
