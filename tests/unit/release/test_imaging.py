"""The folder of an image and the image are made by one run at a time, and nobody's files are lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from factories import ROOT
from packaging.version import Version

from astronomer_certified.effects import disk
from astronomer_certified.errors import EnvironmentMissing, WorkspaceError
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
