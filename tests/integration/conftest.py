"""The fake project and its upstream index, made once for a whole run; each test works on a copy of the project."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from fake_project import Finished, Project, Upstream, uploads, write_project
from index_fixtures import index, index_folder, login, spawn  # noqa: F401

from astronomer_certified.effects.disk import lock

_Made = TypeVar("_Made")


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], _Made]) -> _Made:
    """What `make` returned in whichever of the processes that run tests asked first; the others wait for it.

    `make` gets a folder that lasts as long as the run.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"shared-{name}"
    made = folder / "made.pickle"
    with lock(folder / "lock", lambda _: None):
        if not made.exists():
            made.write_bytes(pickle.dumps(make(folder)))
        value: _Made = pickle.loads(made.read_bytes())
    return value


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """The upstream index in good weather. A test that wants other weather starts an index of its own."""
    with Upstream(made_once(tmp_path_factory, "upstream", uploads)) as server:
        yield server


@pytest.fixture(scope="session")
def template(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose constraints `certified constraints` made. Not to be changed, nor released."""

    def make(folder: Path) -> Project:
        project = write_project(folder / "project", upstream.files, folder / "cache", upstream.url)
        project.must("constraints")
        return project

    return replace(made_once(tmp_path_factory, "template", make), index_url=upstream.url)


@pytest.fixture(scope="session")
def released(template: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Finished]:
    """A project of which a release is done, undisturbed, and what the command said. Not to be changed."""

    def make(folder: Path) -> tuple[Project, Finished]:
        project = template.copy(folder / "project")
        return project, project.must("release")

    project, finished = made_once(tmp_path_factory, "released", make)
    return replace(project, index_url=template.index_url), finished


@pytest.fixture
def project(template: Project, tmp_path: Path) -> Project:
    """A project of the test's own; the caches are shared with the other tests."""
    return template.copy(tmp_path / "project")


@pytest.fixture
def fresh(template: Project, tmp_path: Path) -> Project:
    """A project with caches of its own, which are empty."""
    return template.copy(tmp_path / "project", cache=tmp_path / "cache")
