"""A certificate is current as long as the project makes the release that it speaks of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from factories import ROOT
from factories import certificate as made
from packaging.version import Version

from astronomer_certified.advisories import records, told
from astronomer_certified.build import certified_wheel
from astronomer_certified.certify import certificate
from astronomer_certified.certify.certificate import Certificate, HashedFile, MadeWheel
from astronomer_certified.closure.constraints import Committed, file_names
from astronomer_certified.effects.disk import sha256_of
from astronomer_certified.errors import ManifestError
from astronomer_certified.patches.series import Carried
from astronomer_certified.project import manifest, stated_files
from astronomer_certified.release import showing
from astronomer_certified.report import current, release_notes
from astronomer_certified.workspace import Workspace

HERE = Workspace.at(ROOT)
STATED = manifest.load(HERE, Version("2.1.0"))


@pytest.fixture
def of_today(tmp_path: Path) -> Certificate:
    """One that speaks of the manifest, the payload and the certified wheel as they are."""
    committed = Committed(HERE.constraints(STATED.release.upstream), STATED.pythons)
    known = told.of(HERE, STATED, Carried(STATED.distributions))
    wheel = certified_wheel.build(STATED, committed.every(), known, tmp_path)
    names = file_names(STATED.pythons)
    files = (*stated_files.of_release(HERE, STATED, names), *stated_files.of_builds(HERE))
    inputs = {path.relative_to(ROOT).as_posix(): sha256_of(path) for path in files}
    source, carried = STATED.core.source, Carried(STATED.distributions)
    core = made().core
    return made(
        release=STATED.release.tag,
        source=HashedFile(file=source.filename, sha256=source.sha256),
        inputs={**inputs, **certificate.of_payload(certified_wheel.payload())},
        patched_wheels=tuple(
            replace(core, distribution=item.name, patches=tuple(patch.name for patch in carried.of(item.name)))
            for item in STATED.distributions
        ),
        certified_wheel=MadeWheel(file=wheel.filename, sha256=wheel.sha256, size=wheel.size),
    )


def test_what_is_made_as_it_was_is_current(of_today: Certificate) -> None:
    assert current.is_current(HERE, STATED, of_today)
    gone = {**of_today.inputs, "patches/gone": "0" * 64}
    assert not current.is_current(HERE, STATED, replace(of_today, inputs=gone))


def without_its_last(inputs: Mapping[str, str]) -> dict[str, str]:
    return {name: inputs[name] for name in inputs if name != "constraints/native.toml"}


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda one: replace(one, release="9.9.9-1"), id="of another release"),
        pytest.param(lambda one: replace(one, release="2.1.0-2"), id="of another revision"),
        pytest.param(lambda one: replace(one, inputs=without_its_last(one.inputs)), id="an input is not named"),
        pytest.param(lambda one: replace(one, source=replace(one.source, sha256="0" * 64)), id="of another source"),
        pytest.param(lambda one: replace(one, patched_wheels=one.patched_wheels[:1]), id="a repair is not named"),
        pytest.param(
            lambda one: replace(one, patched_wheels=(replace(one.core, patches=()), *one.patched_wheels[1:])),
            id="of no patches",
        ),
    ],
)  # fmt: skip
def test_what_speaks_of_another_release_is_not_current(
    of_today: Certificate, changed: Callable[[Certificate], Certificate]
) -> None:
    assert not current.is_current(HERE, STATED, changed(of_today))


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    """The project, with certificates of its own that there are none of yet."""
    root = tmp_path / "project"
    root.mkdir()
    for name in ("patches", "constraints", "advisories", "maintenance"):
        (root / name).symlink_to(ROOT / name)
    return Workspace.at(root)


def write(path: Path, one: Certificate) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(certificate.rendered(one))


def whole(one: Certificate) -> Certificate:
    """The same with all that a certificate says was tried which the project keeps."""
    kept = certificate.read(ROOT / "certificates" / "certificate-2.1.0-3.json")
    assert kept is not None
    return replace(one, installs=kept.installs, installers=kept.installers, levels=kept.levels)


def test_the_kept_certificate_is_shown_where_the_last_run_tried_less(of_today: Certificate, here: Workspace) -> None:
    stated = manifest.load(here, Version("2.1.0"))
    assert current.found(here, stated) is None
    write(here.certificate(stated.release), replace(whole(of_today), levels=()))
    [alone] = [current.found(here, stated)]
    write(here.kept_certificate(stated.release), whole(of_today))
    both = current.found(here, stated)
    write(here.certificate(stated.release), whole(of_today))
    again = current.found(here, stated)

    assert alone is not None
    assert both is not None
    assert again is not None
    assert (alone.current, alone.instead, alone.untried) == (True, False, ("levels: none tried",))
    assert (both.current, both.instead, both.untried) == (True, True, ())
    # Of two that say as much it is the one that was made here.
    assert (again.current, again.instead, again.untried) == (True, False, ())


def test_a_kept_certificate_that_is_stale_is_not_shown_in_place_of_one_that_is_not(
    of_today: Certificate, here: Workspace
) -> None:
    stated = manifest.load(here, Version("2.1.0"))
    write(here.certificate(stated.release), of_today)
    write(here.kept_certificate(stated.release), replace(whole(of_today), inputs={}))

    found = current.found(here, stated)
    assert found is not None
    assert (found.current, found.instead) == (True, False)
    assert "levels: none tried" in found.untried


def test_a_certificate_that_cannot_be_read_is_told_and_keeps_no_index_from_being_served(here: Workspace) -> None:
    path = here.certificate(STATED.release)
    write(path, made(release="9.9.9-1"))
    with pytest.raises(ManifestError, match=r"is the certificate of 9\.9\.9-1, and not of 2\.1\.0-\d+"):
        showing.certificate_page(here, Version("2.1.0"))
    [note] = [note for note in release_notes.of(here) if note.tag == STATED.release.tag]
    assert note.certificate is None


def test_another_advisory_makes_it_stale_though_no_file_of_the_release_changed(
    of_today: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = records.load(HERE)
    monkeypatch.setattr(records, "load", lambda workspace: every[1:])
    assert not current.is_current(HERE, STATED, of_today)
