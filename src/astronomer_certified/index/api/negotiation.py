"""Request headers -> which of several representations to send: type, encoding, range. Touches nothing.

RFC 9110, sections 12 to 14. What a header says that it may not say counts as if it were not there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs

from .pages import HTML, JSON, LEGACY

_OFFERED = {
    JSON: JSON,
    "application/vnd.pypi.simple.latest+json": JSON,
    HTML: HTML,
    "application/vnd.pypi.simple.latest+html": HTML,
    "text/html": LEGACY,
}
_ANY = {"*/*": (LEGACY, JSON, HTML), "text/*": (LEGACY,), "application/*": (JSON, HTML)}
# 18 digits can say more than any file has; int() of thousands takes long or refuses them.
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)

# Characters. An HTTP date has 29 (RFC 9110, 5.6.7).
_LONGEST_DATE = 60


def content_type(accept: str, wanted: str | None = None) -> str | None:
    """The media type to answer with; None when the client takes none of ours (406).

    `wanted` is what `?format=` says (PEP 691); it goes before the header.
    """
    if wanted is not None:
        return _OFFERED.get(wanted)
    best: tuple[float, bool, int] = (0.0, False, 0)
    chosen = None
    weighted = _weighted(accept or "text/html")
    refused = {_OFFERED[name] for name, quality in weighted if quality == 0 and name in _OFFERED}
    for place, (name, quality) in enumerate(weighted):
        offer = _OFFERED.get(name)
        named = offer is not None
        if offer is None:
            # What is named counts before a wildcard that covers it, also when it is refused (RFC 9110, 12.5.1).
            offer = next((kind for kind in _ANY.get(name, ()) if kind not in refused), None)
        # Of equals, what is named goes before what a wildcard covers, and then what comes first.
        rank = (quality, named, -place)
        if offer is not None and quality > 0 and rank > best:
            best, chosen = rank, offer
    return chosen


def wanted(query: str) -> str | None:
    """What `?format=` says. Its plus is a plus, as PEP 691 writes it, and no space."""
    return parse_qs(query.replace("+", "%2B")).get("format", [None])[0] if query else None


def encoding(accept: str, offered: Sequence[str]) -> str | None:
    """The content encoding to use, one of `offered` with the best first; None for the bytes as they are."""
    weights = dict(_weighted(accept))
    best = max(offered, key=lambda name: weights.get(name, weights.get("*", 0.0)), default=None)
    if best is None or weights.get(best, weights.get("*", 0.0)) <= weights.get("identity", 0.0):
        return None
    return best


def matches(condition: str, etag: str) -> bool:
    """Whether an If-None-Match header names this entity tag, compared weakly."""
    names = (name.strip().removeprefix("W/") for name in condition.split(","))
    return condition.strip() == "*" or etag in names


def matches_exactly(condition: str, etag: str) -> bool:
    """Whether an If-Match header names this entity tag, compared strongly."""
    return condition.strip() == "*" or etag in (name.strip() for name in condition.split(","))


def unchanged_since(condition: str, modified: str) -> bool:
    """Whether an If-Modified-Since header is no older than what was last modified then."""
    if len(condition) > _LONGEST_DATE:
        return False
    try:
        return parsedate_to_datetime(condition) >= parsedate_to_datetime(modified)
    except (ValueError, TypeError, OverflowError, IndexError):  # what the standard library says of dates that are none
        return False


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """First byte and one after the last; None to send everything. ValueError when no byte is in it (416).

    Several ranges at once are answered with everything, which RFC 9110 allows: they are a way to make a server
    work, and no installer asks for them.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        # Such a range is none (RFC 9110, 14.1.1), and what is none is ignored.
        if last and int(last) < start:
            return None
    if start >= end:
        raise ValueError(f"no byte of {size} is in the range")
    return start, end


def _weighted(header: str) -> list[tuple[str, float]]:
    found = []
    # No client lists as many; a head of 16 kB could have thousands.
    for part in header.split(",")[:50]:
        name, *words = (word.strip() for word in part.lower().split(";"))
        quality = 1.0
        for word in words:
            if word.startswith("q="):
                try:
                    # In this order NaN becomes 0: no comparison with it is true.
                    quality = min(1.0, max(0.0, float(word[2:])))
                except ValueError:
                    quality = 0.0
        found.append((name, quality))
    return found
