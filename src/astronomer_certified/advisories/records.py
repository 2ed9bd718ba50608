"""advisories/*.toml -> one record for each known vulnerability: where it is, and since when upstream has a fix.

Shaped after OSV. Which release fixes it is not in there: the CVE fields of the patches say that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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
_CHANGE = re.compile(r"[\w.-]+/[\w.-]+#\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """One vulnerability. `versions` are the affected ones, `rank` its place among the ten most important."""

    id: str
    aliases: tuple[str, ...]
    summary: str
    severity: float | None
    rank: int | None
    fixed_in: tuple[Version, ...]
    changes: tuple[str, ...]
    versions: frozenset[Version]
    where: tuple[str, ...]

    def fixed_by(self, patch: Patch) -> bool:
        """Whether a patch says that it fixes this: by CVE id or, where there is none, by the change upstream."""
        if self.id.startswith("CVE-"):
            return self.id in patch.cves
        said = " ".join(patch.fields.get(name, "") for name in ("Bug", "Applied-Upstream", "Origin"))
        return any(change in re.findall(_CHANGE, said) for change in self.changes)

    def state(self, version: Version) -> str:
        """What holds for a version without any patch: `missing`, `in upstream` or `not affected`."""
        if version in self.versions:
            return "missing"
        return "in upstream" if any(fixed <= version for fixed in self.fixed_in) else "not affected"


def load(workspace: Workspace) -> tuple[Advisory, ...]:
    """Every record: the ten most important first, then by severity. Raises `ManifestError` with a file's problems."""
    found = [_read(path) for path in sorted((workspace.root / "advisories").glob("*.toml"))]
    return tuple(sorted(found, key=lambda item: (item.rank or 99, -(item.severity or 0), item.id)))


def _read(path: Path) -> Advisory:
    top = toml.load(path)
    name = top.get("id", _matching(_ID, "an id like CVE-2021-38540 or AIRFLOW-14570"), default="")
    if name and name != path.stem:
        top.problem("id", f"is {name}, but the file is called {path.name}")
    affected = list(_affected(top))
    advisory = Advisory(
        id=name,
        aliases=top.each("aliases", toml.text, optional=True),
        summary=top.get("summary", toml.text, default=""),
        severity=top.get("severity", _score, default=None, optional=True),
        rank=top.get("rank", toml.positive, default=None, optional=True),
        fixed_in=top.each("fixed-in", _version),
        changes=top.each("changes", _matching(_CHANGE, "a change like apache/airflow#14570")),
        versions=frozenset(version for versions, _ in affected for version in versions),
        where=tuple(file for _, files in affected for file in files),
    )
    if not affected:
        top.problem("affected", "missing")
    top.close()
    try:
        top.problems.finish()
    except ManifestError as err:
        raise ManifestError(err.what, details=err.details, hint="docs/patches.md lists every key") from err
    return advisory


def _affected(top: toml.Table) -> Iterator[tuple[tuple[Version, ...], tuple[str, ...]]]:
    for table in top.tables("affected"):
        table.get("package", _normal_name, default="")
        yield table.each("versions", _version, filled=True), table.each("where", toml.inner_path, optional=True)


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[Any], str]:
    def parsed(value: Any) -> str:
        if not pattern.fullmatch(toml.text(value)):
            raise ValueError(f"not {what}: {value!r}")
        return toml.text(value)

    return parsed


def _normal_name(value: Any) -> str:
    if not is_normalized_name(toml.text(value)):
        raise ValueError(f"not a normalized project name (PEP 503): {value!r}")
    return toml.text(value)


def _version(value: Any) -> Version:
    try:
        return Version(toml.text(value))
    except InvalidVersion as err:
        raise ValueError(f"not a version (PEP 440): {value!r}") from err


def _score(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 10:
        raise ValueError(f"must be a CVSS base score from 0 to 10, not {value!r}")
    return float(value)
