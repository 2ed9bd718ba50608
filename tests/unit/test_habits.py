"""The habits of this repository that two files state: what runs before a commit, and which releases there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from factories import ROOT
from packaging.version import Version

from astronomer_certified.workspace import Workspace

HOOKS = ROOT / ".pre-commit-config.yaml"


def recipe(target: str) -> list[str]:
    """The command lines of a target of the Makefile, with its variables for programs filled in."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.search(rf"^{target}:[^\n]*\n((?:\t[^\n]*\n)*)", makefile, re.MULTILINE)
    assert found, target
    lines = [line.strip().removeprefix("@") for line in found[1].splitlines()]
    return [line.replace("$(certified)", "$(bin)/certified").replace("$(bin)", ".venv/bin") for line in lines]


def hooks() -> list[dict[str, Any]]:
    [repository] = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local"
    found: list[dict[str, Any]] = repository["hooks"]
    return found


def test_a_commit_runs_what_make_check_runs() -> None:
    assert [hook["entry"] for hook in hooks()] == recipe("check")


def test_a_hook_runs_on_the_whole_project_with_the_programs_of_its_environment() -> None:
    """Files of a commit alone do not tell: a manifest and its constraints, or a layer, need the others."""
    assert {(hook["language"], hook["pass_filenames"]) for hook in hooks()} == {("system", False)}


def test_the_hooks_are_what_pre_commit_understands() -> None:
    words = [Path(sys.executable).with_name("pre-commit"), "validate-config", HOOKS]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_readme_names_every_release() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [line] = re.findall(r"^Releases: ([\d., and]+)\. ", readme, re.MULTILINE)
    assert re.findall(r"[\d.]+\d", line) == [str(version) for version in Workspace.at(ROOT).versions()]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_the_files_about_the_project_link_to_pages_of_its_site_only(name: str) -> None:
    """What `make docs` refuses, told where no environment for the documentation was made."""
    links = re.findall(r"\]\((?![a-z]+:|#)([^)\s#]+)", (ROOT / name).read_text(encoding="utf-8"))
    pages = {path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.*")]}
    assert [link for link in links if link not in pages] == []


def test_the_changelog_has_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, *released = re.findall(r"^## (.*)$", text, re.MULTILINE)
    versions = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d", title) for title in released]

    assert unreleased == "[Unreleased]"
    assert [title for title, version in zip(released, versions, strict=True) if version is None] == []
    numbers = [Version(version[1]) for version in versions if version]
    assert numbers == sorted(numbers, reverse=True)
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= {
        "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security",
    }  # fmt: skip


def test_the_checks_of_style_see_every_module_of_ours() -> None:
    """An exclusion by name once hid a room that is called as the folder of the patches is."""
    words = [sys.executable, "-m", "ruff", "check", "--show-files", str(ROOT)]
    seen = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout.splitlines()
    ours = [path for folder in ("src", "tests", "scripts") for path in (ROOT / folder).rglob("*.py")]
    assert {str(path) for path in ours} - set(seen) == set()
    assert not [path for path in seen if Path(path).is_relative_to(ROOT / "patches")]


def test_no_file_has_the_marks_of_a_merge_that_was_not_finished() -> None:
    marks = re.compile(rb"^(<{7} |>{7} )", re.MULTILINE)
    ours = ("advisories", "constraints", "deploy", "docs", "patches", "requirements", "scripts", "src", "tests")
    paths = [*(path for path in ROOT.iterdir() if path.is_file())]
    paths += [path for name in ours for path in (ROOT / name).rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert len(paths) > 1000
    assert not [str(path.relative_to(ROOT)) for path in paths if marks.search(path.read_bytes())]
