"""A wheel that the wheelhouse takes is the one that was asked for, and says truly what it is."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from factories import wheel
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import PinnedFile, Python, UpstreamFile, WheelhouseItem
from astronomer_certified.build import wheelhouse
from astronomer_certified.build.machine_code import Workbench
from astronomer_certified.errors import BuildError, UpstreamError
from astronomer_certified.native.libraries import Foundry
from astronomer_certified.native.records import Recipe
from astronomer_certified.workspace import Workspace


def job(version: str = "3.4.5", *, compiled: bool = False) -> wheelhouse._Job:
    name = canonicalize_name("python-ldap")
    source = PinnedFile(project=name, filename=f"python_ldap-{version}.tar.gz", sha256="0" * 64)
    item = WheelhouseItem(
        source=source, version=Version(version), uploaded=datetime(2021, 1, 1, tzinfo=UTC), build=True, pythons=()
    )
    recipe = Recipe(compiled=compiled, links=(), build=1)
    return wheelhouse._Job(item=item, python=None, recipe=recipe)


def foundry(folder: Path) -> Foundry:
    """One that is asked for nothing."""
    return Foundry(
        workspace=Workspace.at(folder),
        requirements=folder,
        libraries={},
        own_patches=folder,
        logs=folder,
        jobs=1,
        code="",
        machine="x86_64",
    )


def workbench(folder: Path) -> Workbench:
    return Workbench(foundry(folder), print)


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


BOTH = ("x86_64", "aarch64")


def test_machine_code_is_made_for_each_python_and_machine() -> None:
    recipe = Recipe(compiled=True, links=(), build=1)
    item = replace(job().item, pythons=(Python(3, 6), Python(3, 8)), machines=BOTH)
    jobs = wheelhouse._jobs(item, {item.source.project: recipe})
    assert [each.title for each in jobs] == [
        "python-ldap 3.4.5 for Python 3.6",
        "python-ldap 3.4.5 for Python 3.6 on aarch64",
        "python-ldap 3.4.5 for Python 3.8",
        "python-ldap 3.4.5 for Python 3.8 on aarch64",
    ]
    assert len({each.name for each in jobs}) == 4


def test_what_is_pure_is_made_once_for_all_machines() -> None:
    item = replace(job().item, pythons=(Python(3, 8),), machines=BOTH)
    assert [each.python for each in wheelhouse._jobs(item, {})] == [None]


def test_what_upstream_has_for_another_machine_alone_is_not_taken_for_pure(tmp_path: Path) -> None:
    item = replace(job().item, pythons=(Python(3, 8),), machines=("aarch64",))
    assert not wheelhouse.is_stated(item, {})
    assert wheelhouse.is_stated(item, {item.source.project: Recipe(compiled=True, links=(), build=1)})
    era = wheelhouse.Era(
        requirements=tmp_path, pure_pythons=SpecifierSet(), recipes={}, foundry=foundry(tmp_path), code=""
    )
    workshop = wheelhouse.Workshop(
        fetch=unasked, workspace=Workspace.at(tmp_path), folder=tmp_path / "house", logs=tmp_path, jobs=1
    )
    [lack] = wheelhouse.fill([item], era, workshop, lambda count, total, last: None).not_done
    assert lack.what == "wheel of python-ldap 3.4.5 for Python 3.8 on aarch64"
    assert lack.why == (
        "upstream has python-ldap for another machine alone, and constraints/builds.toml does not say how it is made"
    )


def unasked(source: PinnedFile) -> UpstreamFile:
    raise AssertionError(source)


def test_after_a_failure_nothing_else_is_begun(tmp_path: Path) -> None:
    asked = []

    def fetch(source: PinnedFile) -> UpstreamFile:
        asked.append(source.filename)
        time.sleep(0.02)  # long enough for who waits for it to hear of the first
        raise UpstreamError(f"{source.filename} cannot be had")

    items = [replace(job(version=f"{number}.0").item, build=False) for number in range(50)]
    era = wheelhouse.Era(
        requirements=tmp_path, pure_pythons=SpecifierSet(), recipes={}, foundry=foundry(tmp_path), code=""
    )
    workshop = wheelhouse.Workshop(
        fetch=fetch, workspace=Workspace.at(tmp_path), folder=tmp_path / "house", logs=tmp_path, jobs=2
    )
    with pytest.raises(UpstreamError, match=r"python_ldap-0\.0\.tar\.gz cannot be had"):
        wheelhouse.fill(items, era, workshop, lambda count, total, last: None)
    assert len(asked) < 25
    assert not (tmp_path / "house").exists()
