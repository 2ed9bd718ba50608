"""A page -> the same page, smaller, for clients that take it so (RFC 9110, 8.4.1). Pure."""

from __future__ import annotations

import functools
import gzip


@functools.cache
def encodings() -> tuple[str, ...]:
    """What pages are compressed with, the best first."""
    try:
        import zstandard  # noqa: F401
    except ImportError:
        return ("gzip",)
    return ("zstd", "gzip")


def compress(body: bytes, encoding: str) -> bytes:
    """The body in that coding: `zstd` or `gzip` (RFC 9110, 8.4.1)."""
    # Pages are compressed once for each state and sent often; a list of 20,000 names changes with each new one.
    large = len(body) > 200_000
    if encoding == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=3 if large else 12).compress(body)
    # No time in it: the tag of a page is made of these bytes, and all workers must have the same.
    return gzip.compress(body, 2 if large else 9, mtime=0)
