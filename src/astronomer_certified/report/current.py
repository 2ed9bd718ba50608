"""A certificate and what the project has -> whether it still speaks of that; of several, which one is shown."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from astronomer_certified.advisories import told
from astronomer_certified.artifacts import Manifest
from astronomer_certified.build import certified_wheel
from astronomer_certified.certify import certificate
from astronomer_certified.certify.certificate import Certificate
from astronomer_certified.closure import constraints
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.patches.series import Carried
from astronomer_certified.project import stated_files
from astronomer_certified.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A certificate of a release, whether it is current, and what it tells nothing of though it is promised.

    It is `instead` of that of the last run here when the one that the project keeps says more.
    """

    certificate: Certificate
    current: bool
    untried: tuple[str, ...]
    instead: bool = False

    def says_more_than(self, other: Found) -> bool:
        """Whether it is current and the other is not, or as current and leaves less untried."""
        return (self.current, -len(self.untried)) > (other.current, -len(other.untried))


def found(workspace: Workspace, stated: Manifest) -> Found | None:
    """The certificate of the last run here, or the one that the project keeps where that says more; None without both.

    `certified release` writes one, too, and tries less than is promised. Raises `ManifestError`, and what `is_current`
    raises.
    """
    there = [certificate.of_last_run(workspace, stated.release), certificate.kept(workspace, stated.release)]
    last, kept = (None if one is None else _seen(workspace, stated, one) for one in there)
    if last is None or kept is None:
        return last or kept
    return replace(kept, instead=True) if kept.says_more_than(last) else last


def _seen(workspace: Workspace, stated: Manifest, one: Certificate) -> Found:
    untried = certificate.untried(one, stated)
    return Found(certificate=one, current=is_current(workspace, stated, one), untried=untried)


def is_current(workspace: Workspace, stated: Manifest, found: Certificate) -> bool:
    """Whether the release that a certificate speaks of is what would be made now.

    It must name this release and all of its files, these must be as they were, and the certified wheel must come out
    with the same bytes: that tells of advisories, too, which are no files of the release. Raises `ConstraintsError`,
    and what reading a series raises.
    """
    carried = Carried(stated.distributions)
    if not _is_of(workspace, stated, carried, found):
        return False
    if not certificate.is_current(workspace, found, certified_wheel.payload()):
        return False
    committed = Committed(workspace.constraints(stated.release.upstream), stated.pythons)
    known = told.of(workspace, stated, carried)
    with tempfile.TemporaryDirectory(prefix="certified-") as folder:
        made = certified_wheel.build(stated, committed.every(), known, Path(folder))
    return made.sha256 == found.certified_wheel.sha256


def _is_of(workspace: Workspace, stated: Manifest, carried: Carried, found: Certificate) -> bool:
    """Whether a certificate is of this release: its name, its source, its patches, and every file that says what it is.

    The payload is compared by itself; the core wheel takes minutes to make, and is known by what it is made of.
    """
    names = constraints.file_names(stated.pythons)
    files = (*stated_files.of_release(workspace, stated, names), *stated_files.of_builds(workspace))
    source = stated.core.source
    return (
        found.release == stated.release.tag
        and (found.source.file, found.source.sha256) == (source.filename, source.sha256)
        and certificate.files_of(found).keys() == {path.relative_to(workspace.root).as_posix() for path in files}
        and {wheel.distribution: wheel.patches for wheel in found.patched_wheels}
        == {item.name: tuple(patch.name for patch in carried.of(item.name)) for item in stated.distributions}
    )
