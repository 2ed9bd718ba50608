"""A wheel that the wheelhouse takes is the one that was asked for, and says truly what it is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from factories import wheel
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import PinnedFile, Recipe, WheelhouseItem
from astronomer_certified.build import wheelhouse
from astronomer_certified.build.machine_code import Workbench
from astronomer_certified.errors import BuildError
from astronomer_certified.native.libraries import Foundry
from astronomer_certified.workspace import Workspace


def job(version: str = "3.4.5", *, compiled: bool = False) -> wheelhouse._Job:
    name = canonicalize_name("python-ldap")
    source = PinnedFile(project=name, filename=f"python_ldap-{version}.tar.gz", sha256="0" * 64)
    item = WheelhouseItem(
        source=source, version=Version(version), uploaded=datetime(2021, 1, 1, tzinfo=UTC), build=True, pythons=()
    )
    recipe = Recipe(compiled=compiled, links=(), build=1)
    return wheelhouse._Job(item=item, python=None, recipe=recipe)


def workbench(folder: Path) -> Workbench:
    """One that is asked for nothing."""
    foundry = Foundry(
        workspace=Workspace.at(folder),
        requirements=folder,
        libraries={},
        own_patches=folder,
        logs=folder,
        jobs=1,
        code="",
    )
    return Workbench(foundry, print)


def made(folder: Path, name: str) -> Path:
    stem = name.rsplit("-", 3)[0]
    return wheel(folder / name, {f"{stem}.dist-info/METADATA": "Metadata-Version: 2.1\n", "ldap.py": ""})


@pytest.mark.parametrize(
    "name",
    ["UNKNOWN-0.0.0-py3-none-any.whl", "python_ldap-0.0.0-py3-none-any.whl", "ldap-3.4.5-py3-none-any.whl"],
)
def test_a_wheel_of_another_name_or_version_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BuildError) as refused:
        wheelhouse._finished(job(), made(tmp_path / "made", name), tmp_path, workbench(tmp_path))
    assert refused.value.what == f"python_ldap-3.4.5.tar.gz was built into {name}, which is not python-ldap 3.4.5"


def test_a_name_may_be_spelled_in_another_way(tmp_path: Path) -> None:
    path = made(tmp_path / "made", "Python_LDAP-3.4.5-py3-none-any.whl")
    assert wheelhouse._finished(job(), path, tmp_path, workbench(tmp_path)).name == path.name


def test_what_is_pure_though_machine_code_was_promised_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "made", "python_ldap-3.4.5-py3-none-any.whl")
    with pytest.raises(BuildError, match="is pure Python, which"):
        wheelhouse._finished(job(compiled=True), path, tmp_path, workbench(tmp_path))
