"""What a project says of its releases -> notes beside the store's records, and back. For the pages that people read.

The store knows files; why a release is what it is, its project knows. The notes are plain JSON, written by who serves
or exports an index from a project, and simply missing elsewhere: then the pages show what the files themselves say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from astronomer_certified.index.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One patch of a release."""

    title: str
    cves: tuple[str, ...]
    upstream: str
    """The upstream release that has it, if any."""
    proof: str
    bugs: tuple[str, ...] = ()
    """The reports or changes of upstream that it is about, like `apache/airflow#16301`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerability:
    """What a release says of a known vulnerability or bug: a word of `VulnerabilityStatus`, and the reason."""

    id: str
    summary: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One release of the certified wheel."""

    version: str
    tag: str
    upstream: str
    patched: str
    pythons: tuple[str, ...]
    cutoff: str
    fixes: tuple[Fix, ...]
    providers: Mapping[str, str]
    constraints: Mapping[str, str]
    """The text for each Python."""
    certificate: str | None
    """Its JSON, when the release was certified."""
    requirement: str = ""
    """What a user types, with the extras of the install that is tried first."""
    vulnerabilities: tuple[Vulnerability, ...] = ()
    """All that are known of any release, the most important first."""
    bugs: tuple[Vulnerability, ...] = ()
    """Bugs of the ledger that it has, or of which nobody knows whether it has them."""


def write(store: Store, notes: Iterable[Note]) -> None:
    """The notes are what the pages show from now on; of a store that is read-only, what they showed before."""
    if store.read_only:
        return
    content = json.dumps([asdict(note) for note in notes], separators=(",", ":")).encode()
    target = store.records / "notes.json"
    # Pages are kept as long as the time of this file stays: it changes only when the notes do.
    if not target.exists() or target.read_bytes() != content:
        store.write(target, content)


def read(store: Store) -> dict[str, Note]:
    """The notes by version; empty when nobody wrote any, or they cannot be read."""
    try:
        values: list[dict[str, Any]] = json.loads((store.records / "notes.json").read_text(encoding="utf-8"))
        return {value["version"]: _note(value) for value in values}
    # Where the notes are damaged, pages show what the files say, as they do without any.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _note(value: dict[str, Any]) -> Note:
    fixes = tuple(Fix(**fix | {name: tuple(fix.get(name, ())) for name in ("cves", "bugs")}) for fix in value["fixes"])
    # A note that an older program wrote has none.
    known = tuple(Vulnerability(**item) for item in value.get("vulnerabilities", ()))
    bugs = tuple(Vulnerability(**item) for item in value.get("bugs", ()))
    own = {"fixes": fixes, "pythons": tuple(value["pythons"]), "vulnerabilities": known, "bugs": bugs}
    return Note(**value | own)
