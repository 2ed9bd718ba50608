"""What becomes of upstream's extras is said, for each of them; the rest of resolving is tried in integration tests."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from factories import ROOT, manifest, wheel
from packaging.requirements import Requirement
from packaging.version import Version

from astronomer_certified.artifacts import Python
from astronomer_certified.closure import resolve
from astronomer_certified.errors import ResolutionError
from astronomer_certified.formats.wheel_files import wheel_at
from astronomer_certified.project.manifest import load
from astronomer_certified.workspace import Workspace


def core(folder: Path, *extras: str) -> Path:
    name = "apache_airflow-2.1.0"
    declared = "".join(f"Provides-Extra: {extra}\n" for extra in extras)
    text = f"Metadata-Version: 2.1\nName: apache-airflow\nVersion: 2.1.0\n{declared}"
    return wheel(folder / f"{name}-py3-none-any.whl", {f"{name}.dist-info/METADATA": text})


def test_extras_that_are_listed_or_left_out_pass(tmp_path: Path) -> None:
    release = manifest(left_out={"devel": "tools"})

    resolve.check_extras(release, wheel_at(core(tmp_path, "celery", "cncf.kubernetes", "devel")))


def test_an_extra_of_upstream_that_nobody_mentions_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResolutionError) as refused:
        resolve.check_extras(manifest(), wheel_at(core(tmp_path, "celery", "druid", "cncf.kubernetes")))

    assert refused.value.details == ("druid: neither among `extras` nor in [left-out]",)


def test_an_extra_that_is_left_out_but_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResolutionError) as refused:
        resolve.check_extras(manifest(left_out={"drudi": "gone"}), wheel_at(core(tmp_path, "celery")))

    assert refused.value.details == ("drudi: left out, but upstream declares no such extra",)


def test_sources_are_asked_with_what_the_wheelhouse_builds_them_with() -> None:
    # A release that pins a later setuptools moves its cutoff, which counts for builds as well.
    workspace = Workspace.at(ROOT)
    stated = load(workspace, Version("1.10.15"))
    project = tomllib.loads(resolve._project(stated, {}, Python(3, 7)))
    [constraint] = map(Requirement, project["tool"]["uv"]["build-constraint-dependencies"])
    assert "setuptools==65.5.1" in project["tool"]["uv"]["override-dependencies"]
    [built_with] = re.findall(r"^setuptools==(\S+)", workspace.toolchain.read_text(encoding="utf-8"), re.MULTILINE)
    assert constraint.name == "setuptools"
    assert built_with in constraint.specifier
    assert "65.5.1" not in constraint.specifier
