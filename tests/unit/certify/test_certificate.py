"""Kept certificates: they speak of what is here now, or are called stale; and what they say is all that is claimed."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories import ROOT
from factories import certificate as made
from packaging.version import Version

from astronomer_certified.artifacts import NotDone, Release
from astronomer_certified.build import certified_wheel
from astronomer_certified.certify import certificate
from astronomer_certified.certify.certificate import Certificate
from astronomer_certified.certify.level import Wanted
from astronomer_certified.errors import ManifestError
from astronomer_certified.formats.json_records import parsed
from astronomer_certified.patches import series
from astronomer_certified.project import manifest
from astronomer_certified.workspace import Workspace

RELEASE = Release(Version("2.1.0"), 1)
HERE = Workspace.at(ROOT)
KEPT = {
    version: found
    for version in HERE.versions()
    if (found := certificate.kept(HERE, manifest.load(HERE, version).release)) is not None
    and certificate.is_current(HERE, found, certified_wheel.payload())
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
    payload = {"mark.py": b"the mark"}
    inputs = {"series": digest, **certificate.of_payload(payload)}
    workspace = keep(tmp_path, certificate.rendered(made(release=RELEASE.tag, inputs=inputs)))
    found = certificate.kept(workspace, RELEASE)

    assert found is not None
    assert certificate.is_current(workspace, found, payload)
    for other in ({}, {"mark.py": b"another"}, {**payload, "more.py": b""}):
        assert not certificate.is_current(workspace, found, other)
    (tmp_path / "series").write_text("0002-b.patch\n")
    assert not certificate.is_current(workspace, found, payload)
    (tmp_path / "series").unlink()
    assert not certificate.is_current(workspace, found, payload)


def test_a_certificate_that_names_no_inputs_is_not_current(tmp_path: Path) -> None:
    assert not certificate.is_current(Workspace.at(tmp_path), made(), {})


@pytest.mark.parametrize("path", sorted((ROOT / "certificates").glob("certificate-*.json")), ids=lambda path: path.stem)
def test_every_certificate_that_is_kept_is_read_and_written_alike(path: Path) -> None:
    """Also those that speak of an earlier revision, or of files that have changed since."""
    whole = parsed(Certificate, json.loads(path.read_text()))
    assert json.loads(certificate.rendered(whole)) == json.loads(path.read_text())


def test_the_schema_in_the_documentation_is_that_of_the_record() -> None:
    hint = "make releases-page"
    assert (ROOT / "docs" / "certificate.schema.json").read_text() == certificate.schema(), hint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 1}, "a certificate of format 1, and this tool reads 3"),
        ({"format": 4}, "a certificate of format 4, and this tool reads 3"),
        ({"release": None}, "release"),
        ({"surprise": 1}, "surprise"),
        ({"wheelhouse": [{"file": "x.whl"}]}, r"wheelhouse\.0\.sha256"),
    ],
)
def test_what_is_no_certificate_of_this_format_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    text = json.dumps({**json.loads(certificate.rendered(made())), **change})
    with pytest.raises(ManifestError) as refused:
        certificate.kept(keep(tmp_path, text), RELEASE)

    assert re.search(said, str(refused.value))


def test_brackets_without_end_are_no_certificate_and_no_bug(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"certificate-2\.1\.0-1\.json is not JSON"):
        certificate.kept(keep(tmp_path, "[" * 200_000), RELEASE)


def test_the_certificate_of_another_release_is_refused_and_named(tmp_path: Path) -> None:
    workspace = keep(tmp_path, certificate.rendered(made(release="9.9.9-1")))
    with pytest.raises(ManifestError, match=r"certificate-2\.1\.0-1\.json is the certificate of 9\.9\.9-1, and not"):
        certificate.kept(workspace, RELEASE)


def test_what_is_promised_and_was_not_tried_is_named() -> None:
    stated = manifest.load(HERE, Version("2.1.0"))
    kept = certificate.read(ROOT / "certificates" / "certificate-2.1.0-3.json")
    assert kept is not None
    assert certificate.untried(kept, stated) == ()
    *others, services = kept.levels
    assert services.level == "services"

    cases = {
        ("levels: none tried",): replace(kept, levels=()),
        ("services on Python 3.8: not tried",): replace(kept, levels=tuple(others)),
        ("services on Python 3.8: nothing was checked",): replace(kept, levels=(*others, replace(services, checks=()))),
        # What could not be done is told elsewhere.
        (): replace(
            kept, levels=tuple(others), not_done=(NotDone(what="services on Python 3.8", why="no Redis", how="get"),)
        ),
        tuple(f"install of {target}: nothing was checked" for target in stated.targets): replace(
            kept, installs=tuple(replace(install, checks=()) for install in kept.installs)
        ),
        (f"install of {stated.targets[-1]}: not tried",): replace(kept, installs=kept.installs[:-1]),
        ("installs: none tried", "installers: none tried", "levels: none tried", "proofs: none tried"): made(
            proofs=None
        ),
    }
    assert {told: certificate.untried(one, stated) for told, one in cases.items()} == {told: told for told in cases}


def test_a_release_without_a_certificate_has_none(tmp_path: Path) -> None:
    assert certificate.kept(Workspace.at(tmp_path), RELEASE) is None


def test_a_certificate_that_was_merged_by_hand_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"certificate-2\.1\.0-1\.json is not JSON"):
        certificate.kept(keep(tmp_path, "<<<<<<< HEAD\n{"), RELEASE)


@pytest.mark.parametrize("version", HERE.versions(), ids=str)
def test_a_kept_certificate_covers_every_python_every_proof_and_nothing_undone(version: Version) -> None:
    if version not in KEPT:
        pytest.skip(f"no certificate of {version} speaks of the files that are here: make certify VERSION={version}")
    stated, found = manifest.load(HERE, version), KEPT[version]
    on_each = [target.requirement(stated.release) for target in stated.targets]

    assert [install.requirement for install in found.installs] == on_each
    assert [install.python.rpartition(".")[0] for install in found.installs[1:]] == [str(p) for p in stated.pythons]
    assert {tried.python.rpartition(".")[0] for tried in found.installers} == {str(p) for p in stated.pythons}
    assert certificate.untried(found, stated) == ()
    reached = {(level.level, level.python.rpartition(".")[0]) for level in found.levels}
    assert reached == {
        (level, str(python)) for python, highest in Wanted().levels(stated).items() for level in highest.above_quick
    }
    assert all(tried.checks for tried in (*found.installs, *found.levels))
    assert found.not_done == ()
    assert found.proofs is not None
    proven = {proof.name: proof.fails_upstream for proof in found.proofs.results}
    named = {name for item in stated.distributions for patch in series.read(item.folder) for name in patch.proofs}
    assert proven.keys() == named
    assert all(proven.values())
