"""maintenance/*.toml -> the ledger: one record for each bug fix that AC carried or that its users asked for.

In the form of advisories/. Which release has a fix is not in there: the Bug fields of the patches say that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from astronomer_certified.patches.series import Patch
from astronomer_certified.project import toml_reader as toml
from astronomer_certified.workspace import Workspace

from . import records
from .records import Evidence, Record

# What a bug is in, from what loses work to what only looks wrong: the order of the ledger.
COMPONENTS = (
    "scheduler", "executors", "kubernetes", "tasks", "dags", "database", "webserver", "api", "logs", "secrets", "cli",
    "operators",
)  # fmt: skip
# The id of a bug: a change upstream, or a number of ours where upstream knows nothing of it.
ID = re.compile(r"\bairflow-\d+\b|\bAC-BUG-\d{2,}\b")
_TAG = re.compile(r"\d+\.\d+\.\d+-\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix(Record):
    """One bug, and the changes that end it. `shows` is how a user meets it, `since` the first version upstream with it.

    `fixed_again_by` are later changes that mend the first, `carried` the earlier releases of AC whose changelogs name
    the fix, `reports` the issues upstream in which somebody has met it, `faults` what in the source shows the bug.
    """

    component: str
    shows: str
    since: Version | None
    fixed_again_by: tuple[str, ...]
    carried: tuple[str, ...]
    reports: tuple[str, ...]
    faults: Mapping[Version, tuple[Evidence, ...]]

    def fixed_by(self, patch: Patch) -> bool:
        """Whether a patch says that it fixes this: its `Bug` names the id of ours, or a change upstream."""
        said = patch.fields.get("Bug", "")
        if self.id in ID.findall(said):
            return True
        return any(change in records.CHANGE.findall(said) for change in self.changes)


def load(workspace: Workspace) -> tuple[Fix, ...]:
    """Every record, by component and id. Raises `ManifestError` with a file's problems."""
    found = [_read(path) for path in sorted((workspace.root / "maintenance").glob("*.toml"))]
    return tuple(sorted(found, key=lambda item: (COMPONENTS.index(item.component), item.id)))


def _read(path: Path) -> Fix:
    top = toml.load(path)
    faults = _affected(top)
    affected = frozenset(faults)
    fix = Fix(
        id=records.own_id(top, path, records.matching(ID, "an id like airflow-16326 or AC-BUG-01")),
        summary=top.get("summary", toml.text, default=""),
        component=top.get("component", _component, default=COMPONENTS[0]),
        shows=top.get("shows", toml.text, default="", optional=True),
        since=top.get("since", records.version, default=None, optional=True),
        fixed_in=top.each("fixed-in", records.version),
        changes=top.each("changes", records.change),
        fixed_again_by=top.each("fixed-again-by", records.change, optional=True),
        carried=top.each("carried", records.matching(_TAG, "a release like 2.1.0-4"), optional=True),
        reports=top.each("reports", records.change, optional=True),
        versions=affected,
        faults=faults,
        not_affected=records.not_affected(top, affected, packages=False),
        left_open=records.left_open(top, affected),
    )
    records.finish(top, "docs/maintenance.md lists every key")
    return fix


def _affected(top: toml.Table) -> dict[Version, tuple[Evidence, ...]]:
    found: dict[Version, tuple[Evidence, ...]] = {}
    for table in top.tables("affected"):
        versions = table.each("versions", records.version, filled=True)
        evidence = table.each("evidence", records.evidence, filled=True)
        for one in versions:
            found[one] = (*found.get(one, ()), *(item for item in evidence if item.version in (None, one)))
            if not found[one]:
                table.problem("evidence", f"there is none for {one}")
        for item in evidence:
            if item.version not in (None, *versions):
                table.problem("evidence", f"{item.text!r}: {item.version} is not one of these versions")
    return found


def _component(value: Any) -> str:
    if toml.text(value) not in COMPONENTS:
        raise ValueError(f"not a component: {value!r}; there are {', '.join(COMPONENTS)}")
    return toml.text(value)
