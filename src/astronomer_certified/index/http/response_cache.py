"""The bytes of a request -> the answer that they had before, while the file that it was made from is as it was."""

from __future__ import annotations

import os
from dataclasses import dataclass

from astronomer_certified.index.api.site import Answer

from .grammar import Request

_ANSWERS = 4096
_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What goes out before and after the date."""

    first: bytes
    rest: bytes
    depends: str
    stamp: int
    request: Request
    answer: Answer


class KeptAnswers:
    """64 MB of them at most. For one thread."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Kept] = {}
        self._bytes = 0

    def get(self, asked: bytes) -> Kept | None:
        kept = self._kept.get(asked)
        if kept is None:
            return None
        try:
            stamp = os.stat(kept.depends).st_mtime_ns  # noqa: PTH116  half the time of Path.stat
        except FileNotFoundError:
            stamp = 0
        return kept if stamp == kept.stamp else None

    def keep(self, asked: bytes, request: Request, answer: Answer, first: bytes, rest: bytes) -> None:
        if answer.depends is None or len(rest) > _BYTES // 8:
            return
        if len(self._kept) >= _ANSWERS or self._bytes + len(rest) > _BYTES:
            # What is asked for often is back after one request each.
            self._kept.clear()
            self._bytes = 0
        self._bytes += len(rest) + len(asked)
        self._kept[asked] = Kept(
            first=first,
            rest=rest,
            depends=os.fspath(answer.depends),
            stamp=answer.stamp,
            request=request,
            answer=answer,
        )
