"""A project's manifests, series, constraints and certificates -> what its index tells people about each release."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from . import manifest, series
from .artifacts import Manifest
from .index.notes import Fix, Note
from .series import Patch
from .workspace import Workspace

_CVE = re.compile(r"CVE-\d{4}-\d{4,}")


def of(workspace: Workspace) -> Iterator[Note]:
    """One note for each release that the project states, in the order of versions."""
    for version in sorted(_versions(workspace)):
        yield _note(workspace, manifest.load(workspace, version))


def _versions(workspace: Workspace) -> Iterator[Version]:
    for path in (workspace.root / "patches").glob("*/release.toml"):
        try:
            yield Version(path.parent.name)
        except InvalidVersion:
            continue


def _note(workspace: Workspace, stated: Manifest) -> Note:
    release = stated.release
    folder = workspace.constraints(release.upstream)
    texts = {str(python): folder / f"constraints-{python}.txt" for python in stated.pythons}
    certificate = workspace.certificate(release)
    return Note(
        version=str(release.certified),
        tag=release.tag,
        upstream=str(release.upstream),
        patched=str(release.patched),
        pythons=tuple(map(str, stated.pythons)),
        cutoff=stated.cutoff.strftime("%Y-%m-%d"),
        fixes=tuple(map(_fix, series.read(stated.path.parent))),
        providers={str(name): str(pin) for name, pin in stated.providers.items()},
        constraints={python: path.read_text(encoding="utf-8") for python, path in texts.items() if path.is_file()},
        certificate=certificate.read_text(encoding="utf-8") if certificate.is_file() else None,
    )


def _fix(patch: Patch) -> Fix:
    fields = patch.fields
    return Fix(
        title=fields.get("Description", patch.name).splitlines()[0].strip(),
        cves=tuple(_CVE.findall(fields.get("CVE", ""))),
        upstream=fields.get("Applied-Upstream", "").strip(),
        proof=fields.get("Proof", "").strip(),
    )
