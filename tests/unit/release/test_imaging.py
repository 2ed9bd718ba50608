"""The folder of an image and the image are made by one run at a time, and nobody's files are lost."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from factories import ROOT
from packaging.version import Version

from astronomer_certified.artifacts import Python
from astronomer_certified.effects import disk
from astronomer_certified.errors import EnvironmentMissing, UsageError, WorkspaceError
from astronomer_certified.image import debian
from astronomer_certified.project import manifest
from astronomer_certified.release import imaging
from astronomer_certified.release.imaging import Wanted
from astronomer_certified.workspace import Workspace

STATED = manifest.load(Workspace.at(ROOT), Version("2.1.0"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """This project, of which nothing is built: whoever gets to the wheels is told that they are missing."""
    return replace(Workspace.at(ROOT), build=tmp_path / "build", dist=tmp_path / "dist", cache=tmp_path / "cache")


@pytest.mark.parametrize("own", [".env", "dags", "notes.txt"])
def test_what_somebody_put_into_the_folder_is_not_lost(workspace: Workspace, own: str) -> None:
    folder = workspace.release_build(STATED.release) / "image"
    (folder / "wheels").mkdir(parents=True)
    (folder / "compose.yaml").touch()
    (folder / own).mkdir()
    with pytest.raises(WorkspaceError, match="move that to a folder of your own") as told:
        imaging.write_context(workspace, STATED, Wanted(), lambda text: None)
    assert f"{folder} holds what is not of this tool, and would lose it: {own}" in str(told.value)
    assert (folder / own).is_dir()
    (folder / own).rmdir()
    with pytest.raises(EnvironmentMissing, match="is not built"):
        imaging.write_context(workspace, STATED, Wanted(), lambda text: None)


def test_who_writes_the_folder_waits_for_another_run_of_the_release(workspace: Workspace) -> None:
    held, said, ended = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        with pytest.raises(EnvironmentMissing):
            imaging.write_context(workspace, STATED, Wanted(), lambda text: "waiting for" in text and said.set())
        ended.set()

    left = workspace.release_build(STATED.release) / ".image.tmp-of-a-killed-run"
    left.mkdir(parents=True)
    with disk.lock(workspace.lock(STATED.release), lambda pid: held.set()):
        writing = threading.Thread(target=write)
        writing.start()
        assert said.wait(10)
        assert not ended.wait(0.2)
        assert left.exists()
    writing.join(10)
    assert ended.is_set()
    assert not left.exists()


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wanted(base="python:3.8-slim-bookworm"), "another --base is not the image of 2.1.0-"),
        (Wanted(python=STATED.pythons[0]), "another --python is not"),
        (Wanted(user="ann", uid=5001), "another --user and --uid is not"),
        (Wanted(extras=("celery",)), "another --extras is not"),
        (Wanted(name="foo"), "'foo' cannot be the name of an image"),
        (Wanted(user="root", name="a:1"), "'root' cannot be the user of an image"),
        (Wanted(uid=0, name="a:1"), "0 cannot be the number"),
        (Wanted(base="", name="a:1"), "'' cannot be the base of an image"),
        (Wanted(python=Python(3, 5), name="a:1"), "is not for Python 3.5"),
        (Wanted(suite="potato"), "'potato' are not known"),
    ],
)
def test_what_cannot_be_made_is_told_before_anything_is(workspace: Workspace, wanted: Wanted, why: str) -> None:
    for make in (imaging.write_context, imaging.build):
        with pytest.raises(UsageError, match=re.escape(why)):
            make(workspace, STATED, wanted, pytest.fail)


@pytest.mark.parametrize("wanted", [Wanted(python=STATED.pythons[-1]), Wanted(user="ann", name="a:1")])
def test_who_says_the_default_or_gives_a_name_is_not_asked_for_one(workspace: Workspace, wanted: Wanted) -> None:
    with pytest.raises(EnvironmentMissing, match="is not built"):
        imaging.write_context(workspace, STATED, wanted, lambda text: None)


def test_what_a_killed_run_left_of_a_base_is_gone(tmp_path: Path) -> None:
    left = tmp_path / "bases" / ".bookworm-0123.tar.tmp-abc"
    left.parent.mkdir()
    left.touch()
    (left.parent / "bookworm-0123.tar").touch()
    with debian.alone(tmp_path, pytest.fail):
        assert sorted(path.name for path in left.parent.iterdir()) == ["bookworm-0123.tar", "lock"]
