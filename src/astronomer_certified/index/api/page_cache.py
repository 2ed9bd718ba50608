"""Rendered pages, kept by the state of what they were made from. Knows nothing of what is on them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

# Bytes that one cache keeps.
_LIMIT = 64 << 20


class PageCache:
    """Rendered pages, each made once for each state of its record; the least used go first."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[tuple[object, ...], tuple[int, bytes, str]] = OrderedDict()

    def get(self, key: tuple[object, ...], stamp: int, make: Callable[[], bytes]) -> tuple[bytes, str]:
        """The page and its entity tag."""
        known = self._kept.get(key)
        if known is not None and known[0] == stamp:
            self._kept.move_to_end(key)
            return known[1], known[2]
        body = make()
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        self._size += len(body) - (len(known[1]) if known else 0)
        self._kept[key] = (stamp, body, etag)
        self._kept.move_to_end(key)
        while self._size > self._limit and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1][1])
        return body, etag
