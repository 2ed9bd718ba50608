"""Wheels with machine code for ARM, made on this machine: compiled for it, and named for it."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from astronomer_certified.artifacts import PinnedFile, UpstreamFile
from astronomer_certified.build import wheelhouse
from astronomer_certified.closure import constraints
from astronomer_certified.native import compilers
from astronomer_certified.native.libraries import Foundry
from astronomer_certified.project import manifest, native_libraries
from astronomer_certified.source import fetch
from astronomer_certified.workspace import Workspace

ROOT = Path(__file__).parents[2]
OTHER = "aarch64"


@pytest.mark.skipif(compilers.is_this(OTHER), reason="this machine is the other one")
def test_a_wheel_is_made_for_the_other_machine(tmp_path: Path) -> None:
    workspace = Workspace.at(ROOT)
    libraries = native_libraries.load(workspace.native_libraries)
    foundry = Foundry(
        workspace=workspace, requirements=workspace.compilers, libraries=libraries,
        own_patches=workspace.native_patches, logs=tmp_path, jobs=1, code="", machine=OTHER,
    )  # fmt: skip
    era = wheelhouse.Era(
        requirements=workspace.toolchain, pure_pythons=SpecifierSet(">=3.6,<3.12"),
        recipes=manifest.load_recipes(workspace.recipes, libraries), foundry=foundry, code=str(tmp_path),
    )  # fmt: skip
    files = constraints.load_files(workspace.constraints(Version("2.1.0")))
    [pinned] = [item for item in files if item.source.filename == "pyrsistent-0.17.3.tar.gz"]

    def fetched(source: PinnedFile) -> UpstreamFile:
        return fetch.fetch(source, workspace)

    made = wheelhouse.fill(
        [replace(pinned, machines=(OTHER,))],
        era,
        wheelhouse.Workshop(fetch=fetched, workspace=workspace, folder=tmp_path / "house", logs=tmp_path, jobs=1),
        lambda count, total, title: None,
    )

    assert made.wheels, made.not_done
    for wheel in made.wheels:
        assert wheel.filename.endswith(f"-manylinux2014_{OTHER}.manylinux_2_17_{OTHER}.whl")
        with zipfile.ZipFile(wheel.path) as members:
            [name] = [name for name in members.namelist() if name.endswith(".so")]
            elf = ELFFile(io.BytesIO(members.read(name)))
        assert name.endswith(f"-{OTHER}-linux-gnu.so")
        assert elf["e_machine"] == "EM_AARCH64"
