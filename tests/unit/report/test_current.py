"""A certificate is current as long as the project makes the release that it speaks of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from factories import ROOT
from factories import certificate as made
from packaging.version import Version

from astronomer_certified.advisories import records, told
from astronomer_certified.build import certified_wheel
from astronomer_certified.certify import certificate
from astronomer_certified.certify.certificate import Certificate, MadeWheel
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.effects.disk import sha256_of
from astronomer_certified.patches.series import Carried
from astronomer_certified.project import manifest
from astronomer_certified.report import current
from astronomer_certified.workspace import Workspace

HERE = Workspace.at(ROOT)
STATED = manifest.load(HERE, Version("2.1.0"))


@pytest.fixture
def of_today(tmp_path: Path) -> Certificate:
    """One that speaks of the manifest, the payload and the certified wheel as they are."""
    committed = Committed(HERE.constraints(STATED.release.upstream), STATED.pythons)
    known = told.of(HERE, STATED, Carried(STATED.distributions))
    wheel = certified_wheel.build(STATED, committed.every(), known, tmp_path)
    name = STATED.path.relative_to(ROOT).as_posix()
    return made(
        inputs={name: sha256_of(STATED.path), **certificate.of_payload(certified_wheel.payload())},
        certified_wheel=MadeWheel(file=wheel.filename, sha256=wheel.sha256, size=wheel.size),
    )


def test_what_is_made_as_it_was_is_current(of_today: Certificate) -> None:
    assert current.is_current(HERE, STATED, of_today)
    gone = {**of_today.inputs, "patches/gone": "0" * 64}
    assert not current.is_current(HERE, STATED, replace(of_today, inputs=gone))


def test_another_advisory_makes_it_stale_though_no_file_of_the_release_changed(
    of_today: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = records.load(HERE)
    monkeypatch.setattr(records, "load", lambda workspace: every[1:])
    assert not current.is_current(HERE, STATED, of_today)
