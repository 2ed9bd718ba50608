"""The command line: what is refused, with which exit status."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import ROOT
from packaging.version import Version

from astronomer_certified.commands import main


@pytest.mark.parametrize("verb", ["release", "build"])
def test_a_version_or_all_and_not_both(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["-C", str(ROOT), verb]) == 2
    assert capsys.readouterr().err == f"certified: name a version to {verb}, or --all\n"
    assert main.main(["-C", str(ROOT), verb, "2.1.0", "--all"]) == 2
    assert capsys.readouterr().err == f"certified: {verb} 2.1.0 or --all, not both\n"


def test_a_version_that_is_not_there_is_refused_with_the_file_that_would_state_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["-C", str(ROOT), "check", "9.9.9"]) == 1
    said = capsys.readouterr().err
    assert f"certified: {ROOT}/patches/9.9.9/release.toml: no such file\n  hint: " in said


def test_a_folder_that_is_not_a_project_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["-C", str(tmp_path), "check"]) == 1
    assert f"certified: {tmp_path} is not a project: it has no patches/" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["publish"], ["build", "x.y"], ["build", "2.1.0", "--jobs", "0"], ["bild", "2.1.0"]])
def test_wrong_words_are_a_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main.main(words)
    assert refused.value.code == 2


def test_check_says_what_every_release_states(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["-C", str(ROOT), "check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    versions = sorted((path.parent.name for path in (ROOT / "patches").glob("*/release.toml")), key=Version)
    assert [line.split("-")[0] for line in lines] == versions
    assert all(" patches, " in line and " pins for " in line for line in lines)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("certify",), "name a version to certify, or --all"),
        (("certify", "2.1.0", "--all"), "name a version to certify, or --all"),
        (("certify", "--all", "--level", "full"), "--level and --python are for one version"),
        (("certify", "--all", "--python", "3.8"), "--level and --python are for one version"),
        (("certify", "2.1.0", "--index", "http://127.0.0.1:8080/"), "--index is for the workers of a --scheduler"),
    ],
)
def test_what_certify_cannot_be_asked_for_is_wrong_usage(
    words: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["-C", str(ROOT), *words]) == 2
    assert capsys.readouterr().err == f"certified: {why}\n"


def test_a_scheduler_that_is_not_there_is_told_before_anything_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["-C", str(ROOT), "certify", "2.1.0", "--scheduler", "tcp://127.0.0.1:1"]) == 1
    assert "no scheduler answers at tcp://127.0.0.1:1" in capsys.readouterr().err
