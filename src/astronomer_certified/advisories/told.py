"""A release's patches and the records -> what its certified wheel tells users of them, in release.json."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from astronomer_certified.artifacts import Manifest
from astronomer_certified.build import certified_wheel
from astronomer_certified.build.certified_wheel import CarriedPatch, KnownVulnerability
from astronomer_certified.patches.series import Carried
from astronomer_certified.workspace import Workspace

from . import records, status


def of(workspace: Workspace, stated: Manifest, carried: Carried) -> certified_wheel.Carried:
    """All that the certified wheel carries beside the payload. Raises OSError where constraints are missing."""
    return certified_wheel.Carried(
        files={path.name: path.read_bytes() for path in constraints(workspace, stated)},
        patches=tuple(patches(stated, carried)),
        vulnerabilities=tuple(vulnerabilities(workspace, stated, carried)),
    )


def constraints(workspace: Workspace, stated: Manifest) -> tuple[Path, ...]:
    """The constraints files that the certified wheel ships; they need not be there."""
    folder = workspace.constraints(stated.release.upstream)
    names = (f"constraints-{python}{variant}.txt" for python in stated.pythons for variant in ("", "-hashes"))
    return tuple(folder / name for name in names)


def patches(stated: Manifest, carried: Carried) -> Iterator[CarriedPatch]:
    """The patches of the core, then those of repaired dependencies, each in the order of its series."""
    for item in stated.distributions:
        for patch in carried.of(item.name):
            yield CarriedPatch(
                distribution=str(item.name),
                name=patch.slug,
                subject=patch.subject,
                fixes=patch.cves,
                change=patch.fields.get("Bug", patch.fields.get("Applied-Upstream", "")).strip(),
                proofs=patch.proofs,
                notice=patch.notice,
            )


def vulnerabilities(workspace: Workspace, stated: Manifest, carried: Carried) -> Iterator[KnownVulnerability]:
    """Every record with what this release says of it, the most important ones first."""
    every = [patch for item in stated.distributions for patch in carried.of(item.name)]
    for record in records.load(workspace):
        said = status.of(record, stated.release.upstream, every, stated.no_longer_fixed)
        yield KnownVulnerability(
            id=record.id,
            aliases=record.aliases,
            summary=record.summary,
            severity=record.severity,
            status=str(said.status),
            reason=said.reason,
            evidence=said.evidence,
        )
