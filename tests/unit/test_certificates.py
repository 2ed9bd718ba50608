"""Kept certificates: they speak of what is here now, or are called stale; and what they say is all that is claimed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from factories import ROOT
from packaging.version import Version

from astronomer_certified import certificates, manifest, series
from astronomer_certified.artifacts import Release
from astronomer_certified.errors import ManifestError
from astronomer_certified.workspace import Workspace

RELEASE = Release(Version("2.1.0"), 1)
HERE = Workspace.at(ROOT)
KEPT = {
    version: certificate
    for version in HERE.versions()
    if (certificate := certificates.kept(HERE, manifest.load(HERE, version).release)) is not None
    and certificates.is_current(HERE, certificate)
}


def keep(root: Path, text: str) -> Workspace:
    workspace = Workspace.at(root)
    path = workspace.kept_certificate(RELEASE)
    path.parent.mkdir()
    path.write_text(text)
    return workspace


def test_a_certificate_is_current_as_long_as_its_files_are(tmp_path: Path) -> None:
    (tmp_path / "series").write_text("0001-a.patch\n")
    digest = hashlib.sha256(b"0001-a.patch\n").hexdigest()
    workspace = keep(tmp_path, json.dumps({"constraints": {"series": digest}}))
    certificate = certificates.kept(workspace, RELEASE)

    assert certificate is not None
    assert certificates.is_current(workspace, certificate)
    (tmp_path / "series").write_text("0002-b.patch\n")
    assert not certificates.is_current(workspace, certificate)
    (tmp_path / "series").unlink()
    assert not certificates.is_current(workspace, certificate)


def test_a_certificate_that_names_no_inputs_is_not_current(tmp_path: Path) -> None:
    assert not certificates.is_current(Workspace.at(tmp_path), {"constraints": {}})


def test_a_release_without_a_certificate_has_none(tmp_path: Path) -> None:
    assert certificates.kept(Workspace.at(tmp_path), RELEASE) is None


def test_a_certificate_that_was_merged_by_hand_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"certificate-2\.1\.0-1\.json is not JSON"):
        certificates.kept(keep(tmp_path, "<<<<<<< HEAD\n{"), RELEASE)


@pytest.mark.parametrize("version", KEPT, ids=str)
def test_a_kept_certificate_covers_every_python_every_proof_and_nothing_undone(version: Version) -> None:
    stated, certificate = manifest.load(HERE, version), KEPT[version]
    python = stated.target.python

    def others(name: str, *, quick: bool) -> set[str]:
        own = [item for item in stated.pythons if not (quick and item == python)]
        return {name, *(f"{name} {item}" for item in own)}

    assert {name for name in certificate if name.split()[0] == "install"} == others("install", quick=False)
    assert {name for name in certificate if name.split()[0] == "installers"} == others("installers", quick=True)
    assert not [name for name, record in certificate.items() if _undone(record)]
    proven = {proof["name"]: proof["fails_upstream"] for proof in certificate["prove"]["proofs"]}
    named = {name for item in stated.distributions for patch in series.read(item.folder) for name in patch.proofs}
    assert proven.keys() == named
    assert all(proven.values())


def _undone(record: object) -> bool:
    return isinstance(record, dict) and bool(record.get("not_done"))
