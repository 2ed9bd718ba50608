"""advisories/dependencies/*.toml -> the known vulnerabilities of what is installed beside Airflow, and who has them.

Shaped after OSV. A range begins at the oldest version that was looked at; of older ones nothing is said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name, is_normalized_name
from packaging.version import Version

from astronomer_certified.errors import ManifestError
from astronomer_certified.project import toml_reader as toml
from astronomer_certified.workspace import Workspace

# From this CVSS base score on a vulnerability is high, as FIRST's specification of CVSS 3 has it.
HIGH = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyAdvisory:
    """One vulnerability of a project. `not_reachable` says why nobody can use it here; empty where somebody may."""

    id: str
    aliases: tuple[str, ...]
    project: NormalizedName
    summary: str
    severity: float | None
    affected: tuple[SpecifierSet, ...]
    not_reachable: str

    @property
    def names(self) -> frozenset[tuple[NormalizedName, str]]:
        """The project with each id: one id may be about several projects, of which a fix mends one."""
        return frozenset((self.project, name) for name in (self.id, *self.aliases))

    def holds(self, version: Version) -> bool:
        """Whether a version has it. What we repaired is judged by the version that upstream gave it."""
        public = Version(version.public)
        return any(span.contains(public, prereleases=True) for span in self.affected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A pin that has a known vulnerability."""

    advisory: DependencyAdvisory
    version: Version

    @property
    def high(self) -> bool:
        """Whether it is high or critical (CVSS)."""
        return (self.advisory.severity or 0) >= HIGH


def load(workspace: Workspace) -> tuple[DependencyAdvisory, ...]:
    """Every record, by project and id. Raises `ManifestError` with a file's problems."""
    folder = workspace.root / "advisories" / "dependencies"
    found = [item for path in sorted(folder.glob("*.toml")) for item in _read(path)]
    return tuple(sorted(found, key=lambda item: (item.project, item.id)))


def hits(
    pins: Mapping[NormalizedName, Version],
    known: Sequence[DependencyAdvisory],
    repaired: Collection[tuple[NormalizedName, str]] = (),
) -> tuple[Hit, ...]:
    """The known vulnerabilities of some pins, the most severe first; without those that are `repaired`: project, id."""
    found = [
        Hit(advisory=item, version=pins[item.project])
        for item in known
        if item.project in pins and item.holds(pins[item.project]) and item.names.isdisjoint(repaired)
    ]
    return tuple(sorted(found, key=lambda hit: -(hit.advisory.severity or 0)))


def _read(path: Path) -> list[DependencyAdvisory]:
    top = toml.load(path)
    if not is_normalized_name(path.stem):
        top.problem("advisory", f"the file is not called after a normalized project name (PEP 503): {path.name}")
    found: list[DependencyAdvisory] = []
    for table in top.tables("advisory"):
        item = DependencyAdvisory(
            id=table.get("id", toml.text, default=""),
            aliases=table.each("aliases", toml.text, optional=True),
            project=canonicalize_name(path.stem),
            summary=table.get("summary", toml.text, default=""),
            severity=table.get("severity", toml.score, default=None, optional=True),
            affected=table.each("affected", _range, filled=True),
            not_reachable=table.get("not-reachable", toml.text, default="", optional=True),
        )
        if item.id in (known.id for known in found):
            table.problem("id", f"{item.id} stands there twice")
        found.append(item)
    top.close()
    try:
        top.problems.finish()
    except ManifestError as err:
        # The reader's own hint is about release.toml.
        raise ManifestError(
            err.what, details=err.details, hint="docs/dependencies.md says what a record holds"
        ) from err
    return found


def _range(value: Any) -> SpecifierSet:
    try:
        return SpecifierSet(toml.text(value))
    except InvalidSpecifier as err:
        raise ValueError(f"not a version specifier (PEP 440): {value!r}") from err
