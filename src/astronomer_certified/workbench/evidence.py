"""What records of faults say of a source, held against that source: evidence that is not true is a problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from packaging.version import Version

from astronomer_certified.advisories.ledger import Fix
from astronomer_certified.advisories.records import Advisory, Evidence, Record

from .sources import Source


def problems(records: Sequence[Record], version: Version, source: Source) -> Iterator[str]:
    """A line for each piece of evidence that the source of a version does not show."""
    stated = [(record, item) for record in records for item in _of(record, version)]
    if not stated:
        return
    entries = source.repository.entries(source.commit)
    wanted = {item.path for _, item in stated if item.path in entries}
    contents = source.repository.contents({entries[path].id for path in wanted})
    texts = {path: contents[entries[path].id].decode("utf-8", "replace") for path in wanted}
    for record, item in stated:
        if why := _wrong(item, entries, texts.get(item.path)):
            folder = "advisories" if isinstance(record, Advisory) else "maintenance"
            yield f"{folder}/{record.id}.toml, evidence {item.text!r}: {why}"


def _of(record: Record, version: Version) -> Iterator[Evidence]:
    """What a record says that a version shows: that it is sound, or, of a bug, that it has the bug."""
    reasoned = record.not_affected.get(version)
    if reasoned is not None:
        yield from (item for item in reasoned.evidence if item.version in (None, version))
    if isinstance(record, Fix):
        yield from record.faults.get(version, ())


def _wrong(item: Evidence, entries: Mapping[str, object], text: str | None) -> str | None:
    """What speaks against a piece of evidence; None when it is true."""
    if item.line is None and not item.lacks and not item.has:
        there = item.path in entries or any(path.startswith(f"{item.path}/") for path in entries)
        return f"{item.path} is in the source" if there else None
    if text is None:
        return f"{item.path} is not in the source"
    if item.line is not None:
        lines = text.splitlines()
        # An empty line shows nothing to whoever looks at it.
        return None if item.line <= len(lines) and lines[item.line - 1].strip() else "there is no such line"
    if item.has:
        return None if item.has in text else f"it has no {item.has!r}"
    return f"it has {item.lacks!r}" if item.lacks in text else None
