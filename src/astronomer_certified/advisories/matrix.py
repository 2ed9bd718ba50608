"""Series + advisories + ledger -> the carry matrix: what each version carries, has already, does not need, or lacks."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from astronomer_certified.patches import series
from astronomer_certified.patches.series import Patch
from astronomer_certified.project import catalogue, manifest
from astronomer_certified.workspace import Workspace

from . import ledger, records, status
from .status import UNKNOWN, Statement, VulnerabilityStatus

_SIGNS = {
    VulnerabilityStatus.FIXED: "yes",
    VulnerabilityStatus.IN_UPSTREAM: "up",
    VulnerabilityStatus.NOT_AFFECTED: ".",
    VulnerabilityStatus.AFFECTED: "NO",
    VulnerabilityStatus.UNKNOWN: "?",
}
_LEGEND = (
    "yes: our patch is applied; up: upstream's source has the fix; .: not affected, the record says why;"
    " NO: affected and not fixed; ?: unknown, nobody looked"
)


class Kind(enum.StrEnum):
    """What a row is about: a record of advisories/, one of maintenance/, or a patch of which neither knows."""

    VULNERABILITY = "vulnerability"
    BUG = "bug"
    PATCH = "patch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One vulnerability, one bug, or one patch without either: what each version says of it, and what fixes it."""

    kind: Kind
    id: str
    summary: str
    rank: int | None
    changes: tuple[str, ...]
    patches: tuple[str, ...]
    proofs: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    statements: Mapping[Version, Statement]

    def count(self, *wanted: VulnerabilityStatus) -> int:
        """For how many versions one of these is the status."""
        return sum(statement.status in wanted for statement in self.statements.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The rows, in order of importance, and the versions that they speak of."""

    versions: tuple[Version, ...]
    rows: tuple[Row, ...]

    def chosen(self, name: str) -> Matrix:
        """Only the rows of one id, alias or patch; of all vulnerabilities for `all`, of all bugs for `bugs`."""
        rows = [
            row
            for row in self.rows
            if name.upper() in map(str.upper, (row.id, *row.aliases))
            or name in row.patches
            or (name == "all" and row.kind is Kind.VULNERABILITY)
            or (name == "bugs" and row.kind is Kind.BUG)
        ]
        return Matrix(versions=self.versions, rows=tuple(rows))

    def of(self, kind: Kind) -> tuple[Row, ...]:
        """The rows of one kind."""
        return tuple(row for row in self.rows if row.kind is kind)


def load(workspace: Workspace) -> Matrix:
    """The matrix of every release that patches/ states and every version that an advisory names.

    A release carries the patches of its core and of its repairs. Raises `ManifestError` or `SeriesError`.
    """
    known = (*records.load(workspace), *ledger.load(workspace))
    stated = {version: manifest.load(workspace, version) for version in workspace.versions()}
    carried = {
        version: [patch for item in release.distributions for patch in series.read(item.folder)]
        for version, release in stated.items()
    }
    given_up = {version: release.no_longer_fixed for version, release in stated.items()}
    versions = tuple(sorted({*carried, *(version for item in known for version in item.versions)}))
    rows = [_row_of(item, versions, carried, given_up) for item in known]
    # A patch without a vulnerability has a row as well: else the matrix would not show all that is carried.
    told = {slug for row in rows for slug in row.patches}
    others = dict.fromkeys(patch.slug for patches in carried.values() for patch in patches if patch.slug not in told)
    return Matrix(versions=versions, rows=(*rows, *(_row_without(slug, versions, carried) for slug in others)))


def _row_of(
    item: records.Record, versions: Sequence[Version], carried: Mapping[Version, Sequence[Patch]],
    given_up: Mapping[Version, Mapping[str, str]],
) -> Row:  # fmt: skip
    fixing = {version: [patch for patch in carried.get(version, ()) if item.fixed_by(patch)] for version in versions}
    found = [patch for patches in fixing.values() for patch in patches]
    return Row(
        kind=Kind.BUG if isinstance(item, ledger.Fix) else Kind.VULNERABILITY,
        id=item.id,
        summary=item.summary,
        rank=item.rank if isinstance(item, records.Advisory) else None,
        changes=item.changes,
        patches=_once(patch.slug for patch in found),
        proofs=_proofs(found, item.id),
        aliases=item.aliases,
        statements={
            version: status.of(item, version, carried.get(version, ()), given_up.get(version, {}))
            for version in versions
        },
    )


def _row_without(slug: str, versions: Sequence[Version], carried: Mapping[Version, Sequence[Patch]]) -> Row:
    """A patch of which no record knows."""
    by_version = {version: [p for p in carried.get(version, ()) if p.slug == slug] for version in versions}
    found = [patch for patches in by_version.values() for patch in patches]
    references = (patch.fields.get("Bug") or patch.fields.get("Applied-Upstream", "") for patch in found)
    return Row(
        kind=Kind.PATCH,
        id="",
        # Of the oldest version that has it: ports keep the name, and may put the subject into other words.
        summary=found[0].subject,
        rank=None,
        changes=_once(reference.strip() for reference in references),
        patches=(slug,),
        proofs=_proofs(found),
        # Without a record nobody knows whether a version that lacks the patch needs it.
        statements={
            version: status.fixed(by_version[version]) if by_version[version] else UNKNOWN for version in versions
        },
    )


def _proofs(patches: Iterable[Patch], id: str = "") -> tuple[str, ...]:
    """The proofs of these patches, or why there is none; where one is named for `id`, that one only."""
    named: list[str] = []
    for patch in patches:
        # One patch may fix several vulnerabilities, with a proof for each.
        own = [name for name in patch.proofs if id and name == f"test_{id.lower().replace('-', '_')}.py"]
        named += own or patch.proofs or [patch.fields["Proof"].strip()]
    return _once(named)


def _once(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def counts(matrix: Matrix) -> str:
    """How many affected pairs of version and vulnerability are fixed, of the ten most important and of all; how many
    pairs have each status; and the same of bugs, where the ledger has any."""
    lines = []
    every = matrix.of(Kind.VULNERABILITY)
    for title, rows in (("ten most important", [row for row in every if row.rank]), ("all records", every)):
        fixed, affected = _hits(rows)
        pairs = f"{fixed} of {affected} affected pairs of version and vulnerability are fixed"
        lines.append(f"{title}: {pairs} ({len(rows)} records)")
    lines.append(f"all pairs: {_pairs(every)}")
    if bugs := matrix.of(Kind.BUG):
        fixed, affected = _hits(bugs)
        lines.append(f"bugs: {fixed} of {affected} affected pairs of version and bug are fixed ({len(bugs)} records)")
        lines.append(f"all pairs of bugs: {_pairs(bugs)}")
    return "\n".join(lines)


def _hits(rows: Iterable[Row]) -> tuple[int, int]:
    """How many pairs are fixed, of how many that have the fault upstream."""
    said = [statement.status for row in rows for statement in row.statements.values()]
    return said.count(VulnerabilityStatus.FIXED), sum(status.is_hit for status in said)


def _pairs(rows: Sequence[Row]) -> str:
    found = {word: sum(row.count(word) for row in rows) for word in VulnerabilityStatus}
    shown = ", ".join(f"{count} {word}" for word, count in found.items())
    return f"{sum(found.values())}, of which {shown}"


def values(matrix: Matrix) -> list[dict[str, Any]]:
    """The rows as JSON has them."""
    return [
        {
            "kind": row.kind,
            "id": row.id,
            "summary": row.summary,
            "rank": row.rank,
            "changes": list(row.changes),
            "patches": list(row.patches),
            "proofs": list(row.proofs),
            "states": {str(version): statement.status for version, statement in row.statements.items()},
            "reasons": {str(version): statement.reason for version, statement in row.statements.items()},
            "evidence": {
                str(version): list(statement.evidence)
                for version, statement in row.statements.items()
                if statement.evidence
            },
        }
        for row in matrix.rows
    ]


def table(matrix: Matrix) -> str:
    """The matrix for a terminal."""
    heads = [str(version) for version in matrix.versions]
    cells = [
        [
            row.id or "no record",
            *(_SIGNS[row.statements[version].status] for version in matrix.versions),
            ", ".join(row.patches) or f"({row.summary})",
            ", ".join(row.changes),
            # Of `none: REASON` the first word: a terminal is narrow.
            ", ".join(proof.split(":")[0] for proof in row.proofs),
        ]
        for row in matrix.rows
    ]
    lines = [["vulnerability", *heads, "patch", "upstream", "proof"], *cells]
    return "\n".join([aligned(lines), "", _LEGEND, "", counts(matrix)])


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Rows of as many cells each, with the cells of a column below one another, for a terminal."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (zip(line, widths, strict=True) for line in lines)
    return "\n".join("  ".join(word.ljust(width) for word, width in line).rstrip() for line in padded)


def listed(workspace: Workspace, title: str) -> list[dict[str, Any]]:
    """The patches of one series as JSON has them. Raises `UsageError`, `ManifestError` or `SeriesError`."""
    return [
        {
            "series": title,
            "patch": patch.name,
            "summary": patch.subject,
            "cves": list(patch.cves),
            "change": patch.fields.get("Bug", patch.fields.get("Applied-Upstream", "")).strip(),
            "proofs": list(patch.proofs),
        }
        for patch in series.read(catalogue.named(workspace, title).folder)
    ]


def listing(workspace: Workspace, title: str) -> str:
    """The patches of one series as a table for a terminal: name, CVE ids, change upstream, proof.

    Raises as `listed` does.
    """
    rows = [
        (row["patch"], " ".join(row["cves"]) or "-", row["change"], " ".join(row["proofs"]) or "none")
        for row in listed(workspace, title)
    ]
    return aligned(rows)
