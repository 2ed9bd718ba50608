"""A project's manifests, series, advisories, constraints, certificates -> what its index tells people of releases."""

from __future__ import annotations

import json
from collections.abc import Iterator

from . import certificates, manifest, series
from .artifacts import Distribution, Manifest, Release
from .index.notes import Fix, Note, Vulnerability
from .series import Patch
from .workbench import matrix
from .workspace import Workspace


def of(workspace: Workspace) -> Iterator[Note]:
    """One note for each release that the project states, in the order of versions."""
    carried = matrix.load(workspace)
    for version in workspace.versions():
        known = tuple(
            Vulnerability(id=row.id, summary=row.summary, state=row.states[version]) for row in carried.rows if row.id
        )
        yield _note(workspace, manifest.load(workspace, version), known)


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
        certificate=_certificate(workspace, release),
        vulnerabilities=known,
    )


def _certificate(workspace: Workspace, release: Release) -> str | None:
    """Of the last run here; else the one that the project keeps, if it speaks of what is here now."""
    made = workspace.certificate(release)
    if made.is_file():
        return made.read_text(encoding="utf-8")
    found = certificates.kept(workspace, release)
    current = found is not None and certificates.is_current(workspace, found)
    return json.dumps(found, indent=1, sort_keys=True) if current else None


def _fix(item: Distribution, patch: Patch) -> Fix:
    fields = patch.fields
    return Fix(
        title=patch.subject if item.name == manifest.CORE else f"{item.name} {item.release.upstream}: {patch.subject}",
        cves=patch.cves,
        upstream=fields.get("Applied-Upstream", "").strip(),
        proof=fields.get("Proof", "").strip(),
    )
