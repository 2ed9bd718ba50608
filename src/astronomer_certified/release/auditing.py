"""The pins of releases, or of any constraints file -> the known vulnerabilities of what is installed beside Airflow.

The C libraries inside of compiled wheels, too: they are held against what Debian has now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from astronomer_certified.advisories import dependencies
from astronomer_certified.advisories.dependencies import DependencyAdvisory, Hit
from astronomer_certified.advisories.matrix import aligned
from astronomer_certified.artifacts import Manifest, Python
from astronomer_certified.closure import constraints
from astronomer_certified.native import debian
from astronomer_certified.native.debian import Standing
from astronomer_certified.native.records import with_needs
from astronomer_certified.patches.series import CVE, Carried
from astronomer_certified.project import manifest, native_libraries, preferences
from astronomer_certified.workspace import Workspace

_HEADS = ("release", "Python", "pins", "known", "high", "not reachable", "ended")


_PAGE = """
# What is installed beside Airflow

The pins of each release and Python against the records of `advisories/dependencies/`, which hold what was known of them
when they were last looked through. Made from these and `constraints/`, and a test compares. Make it anew:

    certified audit --page > docs/dependencies.md

`certified audit 2.1.0 --python 3.8 --list` names them; `certified audit --constraints FILE --python 3.8` looks through
the pins of another file, such as upstream's own constraints.

*known*: vulnerabilities of the pins; *high*: of those, the ones with a CVSS base score from 7 on that somebody may
reach; *not reachable*: whose record says why nobody can use them here; *ended*: those that overrides and repairs of the
release end, on that Python. Most of what stays has no fixed version for that Python, or none that the bounds of Airflow
and of the other pins allow.

{table}

A record has `id`, `aliases`, `summary`, `severity` (CVSS), `affected` (ranges of versions, PEP 440, which begin at the
oldest version that was looked at) and, where it holds, `not-reachable` with the reason; its file is called after the
project.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What is known of the pins on one Python; `ended` has what overrides and repairs end there: project, id."""

    title: str
    python: str
    pins: int
    hits: tuple[Hit, ...]
    ended: tuple[tuple[NormalizedName, str], ...]

    @property
    def open(self) -> tuple[Hit, ...]:
        """Those that somebody may reach."""
        return tuple(hit for hit in self.hits if not hit.advisory.not_reachable)

    @property
    def row(self) -> tuple[str, ...]:
        """Its cells in a table."""
        high = sum(hit.high for hit in self.open)
        unreachable = len(self.hits) - len(self.open)
        return (self.title, self.python, *map(str, (self.pins, len(self.hits), high, unreachable, len(self.ended))))


def audits(workspace: Workspace, versions: Sequence[Version], python: Python | None = None) -> tuple[Audit, ...]:
    """One for each release and Python, or for one Python. Raises `ManifestError`, `ConstraintsError`."""
    known = dependencies.load(workspace)
    return tuple(
        _audit(stated, found.python, {name: pin.version for name, pin in found.pins.items()}, known)
        for version in versions
        for stated in [manifest.load(workspace, version)]
        for found in constraints.load(workspace.constraints(version), stated.pythons)
        if python in (None, found.python)
    )


def of_file(workspace: Workspace, path: Path, python: Python) -> Audit:
    """That of a constraints file, such as upstream's own. Raises `ManifestError` for a file that holds no pins."""
    pins = preferences.parsed(path.read_bytes(), python, path)
    found = dependencies.hits(pins, dependencies.load(workspace))
    return Audit(title=path.name, python=str(python), pins=len(pins), hits=found, ended=())


def _audit(
    stated: Manifest, python: Python, pins: Mapping[NormalizedName, Version], known: Sequence[DependencyAdvisory]
) -> Audit:
    carried = Carried(stated.distributions)
    repaired = {(item.name, cve) for item in stated.repairs for patch in carried.of(item.name) for cve in patch.cves}
    overridden = {
        (canonicalize_name(entry.requirement.name), cve)
        for entry in stated.overrides_on(python)
        for cve in CVE.findall(entry.reason)
    }
    names = frozenset[tuple[NormalizedName, str]]().union(*(item.names for item in known))
    return Audit(
        title=stated.release.tag,
        python=str(python),
        pins=len(pins),
        hits=dependencies.hits(pins, known, repaired),
        ended=tuple(sorted((overridden | repaired) & names)),
    )


def table(found: Sequence[Audit]) -> str:
    """A row for each, for a terminal."""
    return aligned([_HEADS, *(audit.row for audit in found)])


def listing(audit: Audit) -> str:
    """Every vulnerability of an audit, the most severe first, for a terminal."""
    rows = [
        (
            hit.advisory.project,
            str(hit.version),
            hit.advisory.id,
            f"{hit.advisory.severity:.1f}" if hit.advisory.severity is not None else "-",
            hit.advisory.summary
            + (f" Not reachable: {hit.advisory.not_reachable}" if hit.advisory.not_reachable else ""),
        )
        for hit in audit.hits
    ]
    return aligned([("project", "version", "vulnerability", "CVSS", "what"), *rows])


def as_json(found: Sequence[Audit]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "release": audit.title,
            "python": audit.python,
            "pins": audit.pins,
            "ended": [{"project": project, "id": name} for project, name in audit.ended],
            "known": [
                {
                    "project": hit.advisory.project,
                    "version": str(hit.version),
                    "id": hit.advisory.id,
                    "aliases": list(hit.advisory.aliases),
                    "severity": hit.advisory.severity,
                    "summary": hit.advisory.summary,
                    "not_reachable": hit.advisory.not_reachable,
                }
                for hit in audit.hits
            ],
        }
        for audit in found
    ]


def page(found: Sequence[Audit]) -> str:
    """The text of docs/dependencies.md."""
    cells = [_HEADS, tuple("---" for _ in _HEADS), *(audit.row for audit in found)]
    return _PAGE.format(table="\n".join(f"| {' | '.join(row)} |" for row in cells)).lstrip()


def libraries(workspace: Workspace) -> tuple[Standing, ...]:
    """The C libraries inside of compiled wheels beside what Debian has now, by name.

    Raises `ManifestError`, `EnvironmentMissing` without apt, and `UpstreamError` when its mirrors do not answer.
    """
    known = native_libraries.load(workspace.native_libraries)
    recipes = manifest.load_recipes(workspace.recipes, known)
    holders: dict[str, list[str]] = {}
    for project, recipe in recipes.items():
        for library in with_needs(recipe.links, known):
            holders.setdefault(library.name, []).append(project)
    return debian.standings(known, holders)


def libraries_table(found: Sequence[Standing]) -> str:
    """A row for each, for a terminal."""
    rows = [
        (item.library, item.source, item.patched or "-", item.newest or "-", str(item.verdict), ", ".join(item.wheels))
        for item in found
    ]
    return aligned([("library", "made of", "patches of", "Debian has", "verdict", "in wheels of"), *rows])


def libraries_as_json(found: Sequence[Standing]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [{**asdict(item), "verdict": str(item.verdict)} for item in found]
