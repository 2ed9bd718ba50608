"""The fake project and its upstream index, made once for a whole run; each test works on a copy of the project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_project import Finished, Project, Upstream, uploads, write_project
from index_fixtures import index, index_folder, login, spawn  # noqa: F401


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """The upstream index in good weather. A test that wants other weather starts an index of its own."""
    with Upstream(uploads(tmp_path_factory.mktemp("upstream"))) as server:
        yield server


@pytest.fixture(scope="session")
def template(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose constraints `certified constraints` made. Not to be changed, nor released."""
    folder = tmp_path_factory.mktemp("fake-project")
    project = write_project(folder / "project", upstream.files, folder / "cache", upstream.url)
    project.must("constraints")
    return project


@pytest.fixture(scope="session")
def released(template: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Finished]:
    """A project of which a release is done, undisturbed, and what the command said. Not to be changed."""
    project = template.copy(tmp_path_factory.mktemp("released") / "project")
    return project, project.must("release")


@pytest.fixture
def project(template: Project, tmp_path: Path) -> Project:
    """A project of the test's own; the caches are shared with the other tests."""
    return template.copy(tmp_path / "project")


@pytest.fixture
def fresh(template: Project, tmp_path: Path) -> Project:
    """A project with caches of its own, which are empty."""
    return template.copy(tmp_path / "project", cache=tmp_path / "cache")
