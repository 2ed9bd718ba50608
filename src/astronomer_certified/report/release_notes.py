"""A project's manifests, series, advisories, constraints, certificates -> what its index tells people of releases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from packaging.version import Version

from astronomer_certified.advisories import matrix
from astronomer_certified.advisories.status import VulnerabilityStatus
from astronomer_certified.artifacts import Distribution, Manifest
from astronomer_certified.certify import certificate
from astronomer_certified.errors import ManifestError
from astronomer_certified.index.api.notes import Fix, Note, Vulnerability
from astronomer_certified.patches import series
from astronomer_certified.patches.series import Patch
from astronomer_certified.project import manifest
from astronomer_certified.workspace import Workspace

from . import current

# What a release says of a bug that it has, or may have.
_LEFT = (VulnerabilityStatus.AFFECTED, VulnerabilityStatus.UNKNOWN)


def of(workspace: Workspace) -> Iterator[Note]:
    """One note for each release that the project states, in the order of versions."""
    carried = matrix.load(workspace)
    for version in workspace.versions():
        known = tuple(_vulnerability(row, version) for row in carried.of(matrix.Kind.VULNERABILITY))
        # What of bugs and patches is fixed stands among the fixes.
        bugs = (_vulnerability(row, version) for row in carried.of(matrix.Kind.BUG))
        left = tuple(bug for bug in bugs if bug.state in _LEFT)
        yield replace(_note(workspace, manifest.load(workspace, version), known), bugs=left)


def _vulnerability(row: matrix.Row, version: Version) -> Vulnerability:
    statement = row.statements[version]
    return Vulnerability(id=row.id, summary=row.summary, state=statement.status, reason=statement.reason)


def _note(workspace: Workspace, stated: Manifest, known: tuple[Vulnerability, ...]) -> Note:
    release = stated.release
    folder = workspace.constraints(release.upstream)
    texts = {str(python): folder / f"constraints-{python}.txt" for python in stated.pythons}
    return Note(
        version=str(release.certified),
        tag=release.tag,
        upstream=str(release.upstream),
        patched=str(release.patched),
        pythons=tuple(map(str, stated.pythons)),
        cutoff=stated.cutoff.strftime("%Y-%m-%d"),
        fixes=tuple(_fix(item, patch) for item in stated.distributions for patch in series.read(item.folder)),
        providers={str(name): str(pin) for name, pin in stated.providers.items()},
        constraints={python: path.read_text(encoding="utf-8") for python, path in texts.items() if path.is_file()},
        certificate=_certificate(workspace, stated),
        requirement=stated.target.requirement(release),
        vulnerabilities=known,
    )


def _certificate(workspace: Workspace, stated: Manifest) -> str | None:
    """Of the last run here, or the one that the project keeps where that says more; none that speaks of other files.

    One that cannot be read is none: it keeps no index from being served, and `certified show` says what is wrong.
    """
    try:
        found = current.found(workspace, stated)
    except ManifestError:
        return None
    return certificate.rendered(found.certificate) if found is not None and found.current else None


def _fix(item: Distribution, patch: Patch) -> Fix:
    fields = patch.fields
    return Fix(
        title=patch.subject if item.name == manifest.CORE else f"{item.name} {item.release.upstream}: {patch.subject}",
        cves=patch.cves,
        upstream=fields.get("Applied-Upstream", "").strip(),
        proof=fields.get("Proof", "").strip(),
        bugs=tuple(fields.get("Bug", "").replace(",", " ").split()),
    )
