"""advisories/*.toml -> one record for each known vulnerability: where it is, and since when upstream has a fix.

Shaped after OSV. Which release fixes it is not in there: the CVE fields of the patches say that. What any record of a
fault has, of whatever kind, is `Record`, with the readers of its parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import is_normalized_name
from packaging.version import InvalidVersion, Version

from astronomer_certified.errors import ManifestError
from astronomer_certified.patches.series import CVE, Patch
from astronomer_certified.project import toml_reader as toml
from astronomer_certified.workspace import Workspace

_ID = re.compile(rf"{CVE.pattern}|AIRFLOW-\d+")
CHANGE = re.compile(r"[\w.-]+/[\w.-]+#\d+")

_EVIDENCE = re.compile(
    r"(?:(?P<version>\d[\w.]*): )?(?:no (?P<absent>[\w./-]+)|(?P<path>[\w./-]+):(?:(?P<line>\d+)"
    r"| no (?P<lacks>.+)| has (?P<has>.+)))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a look into a source shows: `no PATH`, `PATH:LINE`, `PATH: no WORDS` or `PATH: has WORDS`.

    It is true of every version that it stands beside, or of one: `2.0.0: PATH:LINE`.
    """

    text: str
    version: Version | None
    path: str
    line: int | None
    lacks: str
    has: str = ""

    @classmethod
    def parse(cls, text: str) -> Evidence:
        """The evidence that a text states. Raises ValueError for what has none of the forms."""
        match = _EVIDENCE.fullmatch(text)
        if match is None:
            raise ValueError(
                f"not evidence: {text!r}; say 'no PATH', 'PATH:LINE', 'PATH: no WORDS' or 'PATH: has WORDS'"
            )
        return cls(
            text=text,
            version=Version(match["version"]) if match["version"] else None,
            path=match["absent"] or match["path"],
            line=int(match["line"]) if match["line"] else None,
            lacks=match["lacks"] or "",
            has=match["has"] or "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAffected:
    """Why some versions are not affected, and what in their sources shows it."""

    why: str
    evidence: tuple[Evidence, ...]

    def evidence_of(self, version: Version) -> tuple[str, ...]:
        """What is true of one of the versions."""
        return tuple(item.text for item in self.evidence if item.version in (None, version))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One fault. `versions` are those whose code has it, `changes` the changes upstream that end it.

    `not_affected` has the versions that somebody looked at and found sound, `left_open` those that stay affected for a
    reason. Of any other version that is older than the fix upstream, nothing is known.
    """

    id: str
    aliases: tuple[str, ...] = ()
    summary: str
    fixed_in: tuple[Version, ...]
    changes: tuple[str, ...]
    versions: frozenset[Version]
    not_affected: Mapping[Version, NotAffected]
    left_open: Mapping[Version, str]

    def fixed_by(self, patch: Patch) -> bool:
        """Whether a patch says that it fixes this: by one of the changes upstream."""
        said = " ".join(patch.fields.get(name, "") for name in ("Bug", "Applied-Upstream", "Origin"))
        return any(change in CHANGE.findall(said) for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory(Record):
    """One vulnerability. `rank` is its place among the ten most important."""

    severity: float | None
    rank: int | None

    def fixed_by(self, patch: Patch) -> bool:
        """Whether a patch says that it fixes this: by its id or, where that is a change upstream, by the change."""
        if CVE.fullmatch(self.id):
            return self.id in patch.cves
        return Record.fixed_by(self, patch)


def load(workspace: Workspace) -> tuple[Advisory, ...]:
    """Every record: the ten most important first, then by severity. Raises `ManifestError` with a file's problems."""
    found = [_read(path) for path in sorted((workspace.root / "advisories").glob("*.toml"))]
    # 99: behind all that have one.
    return tuple(sorted(found, key=lambda item: (item.rank or 99, -(item.severity or 0), item.id)))


def _read(path: Path) -> Advisory:
    top = toml.load(path)
    affected = _affected(top)
    advisory = Advisory(
        id=own_id(top, path, matching(_ID, "an id like CVE-2021-38540, AIRFLOW-14570 or AC-2026-01")),
        aliases=top.each("aliases", toml.text, optional=True),
        summary=top.get("summary", toml.text, default=""),
        severity=top.get("severity", toml.score, default=None, optional=True),
        rank=top.get("rank", toml.positive, default=None, optional=True),
        fixed_in=top.each("fixed-in", version),
        changes=top.each("changes", change),
        versions=affected,
        not_affected=not_affected(top, affected),
        left_open=left_open(top, affected),
    )
    if not affected:
        top.problem("affected", "missing")
    finish(top, "docs/patches.md lists every key")
    return advisory


def own_id(top: toml.Table, path: Path, parse: Callable[[Any], str]) -> str:
    """The id of a record, after which its file is called."""
    name = top.get("id", parse, default="")
    # Who reads an id, as in what lint says, looks for the file of that name.
    if name and name != path.stem:
        top.problem("id", f"is {name}, but the file is called {path.name}")
    return name


def finish(top: toml.Table, hint: str) -> None:
    """The record is read. Raises `ManifestError` with all problems of its file, and where the keys are explained."""
    top.close()
    try:
        top.problems.finish()
    except ManifestError as err:
        # The reader's own hint is about release.toml.
        raise ManifestError(err.what, details=err.details, hint=hint) from err


def _affected(top: toml.Table) -> frozenset[Version]:
    versions: set[Version] = set()
    for table in top.tables("affected"):
        # Read, so that it is no unknown key; releases are asked by their version alone.
        table.get("package", _normal_name, default="")
        versions.update(table.each("versions", version, filled=True))
        table.each("where", toml.inner_path, optional=True)  # for who writes the patch
    return frozenset(versions)


def not_affected(top: toml.Table, affected: frozenset[Version], *, packages: bool = True) -> dict[Version, NotAffected]:
    """The versions of `[[not-affected]]`, each with reason and evidence; with whose code it is, if `packages`."""
    found: dict[Version, NotAffected] = {}
    for table in top.tables("not-affected"):
        if packages:
            table.get("package", _normal_name, default="")
        versions = table.each("versions", version, filled=True)
        reasoned = NotAffected(
            why=table.get("why", toml.text, default=""),
            evidence=table.each("evidence", evidence, filled=True),
        )
        for one in versions:
            if one in affected or one in found:
                table.problem("versions", f"{one} stands elsewhere, too")
            if not reasoned.evidence_of(one):
                table.problem("evidence", f"there is none for {one}")
            found[one] = reasoned
        for item in reasoned.evidence:
            if item.version not in (None, *versions):
                table.problem("evidence", f"{item.text!r}: {item.version} is not one of these versions")
    return found


def left_open(top: toml.Table, affected: frozenset[Version]) -> dict[Version, str]:
    """The affected versions of `[[left-open]]`, each with the reason."""
    found = {}
    for table in top.tables("left-open"):
        why = table.get("why", toml.text, default="")
        for one in table.each("versions", version, filled=True):
            if one not in affected:
                table.problem("versions", f"{one} is not among the affected ones")
            found[one] = why
    return found


def evidence(value: Any) -> Evidence:
    """The evidence that a value of TOML states."""
    return Evidence.parse(toml.text(value))


def matching(pattern: re.Pattern[str], what: str) -> Callable[[Any], str]:
    """A reader of texts of one form; `what` names it to who wrote another."""

    def parsed(value: Any) -> str:
        if not pattern.fullmatch(toml.text(value)):
            raise ValueError(f"not {what}: {value!r}")
        return toml.text(value)

    return parsed


def change(value: Any) -> str:
    """The change upstream that a value of TOML states."""
    return matching(CHANGE, "a change like apache/airflow#14570")(value)


def _normal_name(value: Any) -> str:
    if not is_normalized_name(toml.text(value)):
        raise ValueError(f"not a normalized project name (PEP 503): {value!r}")
    return toml.text(value)


def version(value: Any) -> Version:
    """The version that a value of TOML states."""
    try:
        return Version(toml.text(value))
    except InvalidVersion as err:
        raise ValueError(f"not a version (PEP 440): {value!r}") from err
