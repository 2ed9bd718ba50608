"""The certificate of an image: what the report of its tests makes of it, and what is read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from factories import manifest

from astronomer_certified.errors import CommandFailed, ManifestError
from astronomer_certified.image import image_certificate
from astronomer_certified.image.image_certificate import ImageCheck, ImageNotDone
from astronomer_certified.workspace import Workspace

RELEASE = manifest().release
PROPERTIES = {
    "python": "3.8.18", "tool buildah": "1.28.2", "tool podman": "4.3.1", "size": "1026000000", "sent": "300000000",
    "wheel apache-airflow": "a" * 64, "wheel astronomer-certified": "b" * 64,
    "digest": "sha256:" + "c" * 64, "onbuild digest": "sha256:" + "d" * 64,
}  # fmt: skip
HELD = '<testcase classname="m" name="test_it_runs[5000]" time="1.26" />'
SKIPPED = '<testcase name="test_a_task" time="0.1"><skipped message="no network" type="pytest.skip" /></testcase>'
FAILED = '<testcase name="test_it_ends" time="9"><failure message="no">it did not</failure></testcase>'
BROKEN = '<testcase name="test_it_ends" time="9"><error message="no">no such file</error></testcase>'


def report(*cases: str, without: str = "") -> str:
    stated = "".join(
        f'<property name="{name}" value="{value}" />' for name, value in PROPERTIES.items() if name != without
    )
    return f"<testsuites><testsuite><properties>{stated}</properties>{''.join(cases)}</testsuite></testsuites>"


def test_a_report_in_which_all_held_makes_a_certificate_that_is_read_again(tmp_path: Path) -> None:
    made = image_certificate.of_report(RELEASE, "bookworm", report(HELD, SKIPPED))

    assert made.checks == (ImageCheck(name="it runs[5000]", seconds=1.3),)
    assert made.not_done == (ImageNotDone(name="a task", why="no network"),)
    assert made.wheels == {"apache-airflow": "a" * 64, "astronomer-certified": "b" * 64}
    assert (made.size, made.sent, made.tools) == (1026000000, 300000000, ("buildah 1.28.2", "podman 4.3.1"))
    workspace = Workspace.at(tmp_path)
    path = image_certificate.path_of(workspace, RELEASE, "bookworm")
    assert path == tmp_path / "certificates" / "image-2.1.0-4-bookworm.json"
    path.parent.mkdir()
    path.write_text(image_certificate.rendered(made))
    assert image_certificate.kept(workspace, RELEASE) == (made,)
    # Those of another revision are another release's.
    assert image_certificate.kept(workspace, replace(RELEASE, revision=RELEASE.revision + 1)) == ()


@pytest.mark.parametrize("case", [FAILED, BROKEN])
def test_a_report_in_which_one_did_not_hold_makes_none(case: str) -> None:
    with pytest.raises(CommandFailed, match="1 of its tests do not hold") as caught:
        image_certificate.of_report(RELEASE, "bookworm", report(HELD, case))
    assert "it ends" in str(caught.value)


def test_a_report_in_which_nothing_was_run_makes_none() -> None:
    with pytest.raises(CommandFailed, match="none of its tests was run") as caught:
        image_certificate.of_report(RELEASE, "bookworm", report(SKIPPED))
    assert "a task: no network" in str(caught.value)


def test_without_what_only_a_skipped_test_knows_there_is_none() -> None:
    with pytest.raises(CommandFailed, match="no test said its digest") as caught:
        image_certificate.of_report(RELEASE, "bookworm", report(HELD, SKIPPED, without="digest"))
    assert "a task: no network" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "of format None, and this tool reads 1"),
        ('{"format": 2}', "of format 2, and this tool reads 1"),
        ('{"format": 1, "release": "2.1.0-4", "more": 1}', "is no certificate of an image"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "image-2.1.0-4-bookworm.json"
    path.write_text(text)
    with pytest.raises(ManifestError, match=message) as caught:
        image_certificate.read(path)
    assert str(path) in str(caught.value)
