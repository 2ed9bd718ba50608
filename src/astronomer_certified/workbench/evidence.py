"""What records of vulnerabilities say of a source, held against that source: evidence that is not true is a problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from packaging.version import Version

from astronomer_certified.advisories.records import Advisory, Evidence

from .sources import Source


def problems(records: Mapping[str, Advisory], version: Version, source: Source) -> Iterator[str]:
    """A line for each piece of evidence that the source of a version does not show."""
    stated = [
        (record.id, item)
        for record in records.values()
        if (reasoned := record.not_affected.get(version)) is not None
        for item in reasoned.evidence
        if item.version in (None, version)
    ]
    if not stated:
        return
    entries = source.repository.entries(source.commit)
    wanted = {item.path for _, item in stated if item.path in entries}
    contents = source.repository.contents({entries[path].id for path in wanted})
    texts = {path: contents[entries[path].id].decode("utf-8", "replace") for path in wanted}
    for name, item in stated:
        if why := _wrong(item, entries, texts.get(item.path)):
            yield f"advisories/{name}.toml, evidence {item.text!r}: {why}"


def _wrong(item: Evidence, entries: Mapping[str, object], text: str | None) -> str | None:
    """What speaks against a piece of evidence; None when it is true."""
    if item.line is None and not item.lacks:
        there = item.path in entries or any(path.startswith(f"{item.path}/") for path in entries)
        return f"{item.path} is in the source" if there else None
    if text is None:
        return f"{item.path} is not in the source"
    if item.line is not None:
        lines = text.splitlines()
        # An empty line shows nothing to whoever looks at it.
        return None if item.line <= len(lines) and lines[item.line - 1].strip() else "there is no such line"
    return f"it has {item.lacks!r}" if item.lacks in text else None
