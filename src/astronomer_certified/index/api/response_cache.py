"""Bytes that were dear to make, under what they were made from. In memory, for one process; from any thread."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable


class ResponseCache:
    """Up to `limit` bytes of them: what was not asked for longest goes first. A key names the state of its sources."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        """What was put there; None when it is not, or no longer, here."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, made: bytes) -> None:
        """From now on it is what `get` gives."""
        with self._lock:
            self._size += _weight(made) - (_weight(self._kept[key]) if key in self._kept else 0)
            self._kept[key] = made
            self._kept.move_to_end(key)
            while self._size > self._limit:
                self._size -= _weight(self._kept.popitem(last=False)[1])


def _weight(made: bytes) -> int:
    # Keys cost memory as well, and a thing of no bytes may be kept as often as others.
    return len(made) + 500
