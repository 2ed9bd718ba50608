"""Notes -> releases of the certified wheel as pages show them: what each fixes, and what not. Touches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from astronomer_certified.index.api.notes import Fix, Note, Vulnerability
from astronomer_certified.index.store.records import FileRecord, ProjectRecord

# The words of the statuses that a reader must not overlook; `quiet` are the others.
_FIXED, _AFFECTED, _UNKNOWN = "fixed", "affected", "unknown"
_COLOURED = {_FIXED: "good", _AFFECTED: "warn", _UNKNOWN: "warn"}
_SHOWN_AS = {_AFFECTED: "not fixed"}

# Releases in a table.
_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRow:
    """A release in a table of several."""

    version: str
    tag: str
    uploaded: str
    pythons: str
    balance: str
    cves: tuple[str, ...]
    yanked: str | None
    upstream: str
    """What it is a release of; its own version where no note says more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A vulnerability that a release does not fix, or that nobody looked for."""

    id: str
    summary: str
    word: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseNotes:
    """One release: its note, with the fixes in groups."""

    note: Note
    balance: str
    security: tuple[Fix, ...]
    other: tuple[Fix, ...]
    still_open: tuple[Open, ...]
    bugs: tuple[Open, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a release says of one vulnerability."""

    word: str
    colour: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VulnerabilityRow:
    """One vulnerability, and what each release says of it."""

    id: str
    summary: str
    states: tuple[State, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerabilities:
    """Which release fixes what; the states of a row are in the order of the tags."""

    tags: tuple[str, ...] = ()
    rows: tuple[VulnerabilityRow, ...] = ()


def table(record: ProjectRecord, known: Mapping[str, Note]) -> tuple[ReleaseRow, ...]:
    """The newest releases, newest first: 50 at the most. A version without a note has a row as well."""
    by_version: dict[str, list[FileRecord]] = {}
    for file in reversed(record.files):
        by_version.setdefault(file.version, []).append(file)
    return tuple(_row(version, files, known.get(version)) for version, files in list(by_version.items())[:_SHOWN])


def current(rows: Iterable[ReleaseRow]) -> tuple[ReleaseRow, ...]:
    """Of each upstream version the newest that is not yanked, or the newest when all are."""
    found: dict[str, ReleaseRow] = {}
    for row in rows:
        known = found.get(row.upstream)
        # Rows come newest first: a later one is better only where the first is yanked.
        if known is None or (known.yanked is not None and row.yanked is None):
            found[row.upstream] = row
    return tuple(found.values())


def _row(version: str, files: Sequence[FileRecord], note: Note | None) -> ReleaseRow:
    return ReleaseRow(
        version=version,
        tag=note.tag if note else version,
        uploaded=files[0].uploaded,
        pythons=", ".join(note.pythons) if note else "",
        balance=balance(note) if note else "",
        cves=tuple(sorted({cve for fix in note.fixes for cve in fix.cves})) if note else (),
        yanked=next((file.yanked for file in files if file.yanked is not None), None),
        upstream=note.upstream if note else version,
    )


def balance(note: Note) -> str:
    """How many of the known vulnerabilities that concern a release it fixes; empty where none is known."""
    states = [item.state for item in note.vulnerabilities]
    fixed, affected, unknown = (states.count(word) for word in (_FIXED, _AFFECTED, _UNKNOWN))
    if not fixed + affected + unknown:
        return ""
    text = f"{fixed} of {fixed + affected} known vulnerabilities"
    return f"{text}, and {unknown} nobody looked for" if unknown else text


def notes_of(note: Note) -> ReleaseNotes:
    """The release, what it fixes first."""
    return ReleaseNotes(
        note=note,
        balance=balance(note),
        security=tuple(fix for fix in note.fixes if fix.cves),
        other=tuple(fix for fix in note.fixes if not fix.cves),
        still_open=_open(note.vulnerabilities),
        bugs=_open(note.bugs),
    )


def _open(known: Sequence[Vulnerability]) -> tuple[Open, ...]:
    return tuple(
        Open(id=item.id, summary=item.summary, word=_SHOWN_AS.get(item.state, item.state), reason=item.reason)
        for item in known
        if item.state in (_AFFECTED, _UNKNOWN)
    )


def vulnerabilities(shown: Sequence[Note]) -> Vulnerabilities:
    """Which release fixes what, and what none does: known vulnerabilities that concern a release which is here."""
    summaries = {item.id: item.summary for note in shown for item in note.vulnerabilities}
    said = {(note.tag, item.id): item for note in shown for item in note.vulnerabilities}
    rows = []
    for known, summary in summaries.items():
        found = [said.get((note.tag, known)) for note in shown]
        # A release whose note does not have it: nobody looked, which a reader must not overlook.
        if any(item is None or item.state in _COLOURED for item in found):
            rows.append(VulnerabilityRow(id=known, summary=summary, states=tuple(map(_state, found))))
    return Vulnerabilities(tags=tuple(note.tag for note in shown), rows=tuple(rows))


def _state(item: Vulnerability | None) -> State:
    """Its reason shows where a pointer rests; each release's own page has it in words."""
    word, reason = (item.state, item.reason) if item is not None else (_UNKNOWN, "")
    return State(word=_SHOWN_AS.get(word, word), colour=_COLOURED.get(word, "quiet"), reason=reason)
