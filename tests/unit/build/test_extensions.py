"""The names of wheels with machine code, and what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from factories import wheel

from astronomer_certified.build import machine_code
from astronomer_certified.native.libraries import BuiltLibrary
from astronomer_certified.native.records import Archive, LibrarySource, NativeLibrary, Recipe

SOURCES = tuple(
    LibrarySource(
        version=version,
        archive=Archive(path=f"pool/main/t/tiny/tiny_{version}.orig.tar.gz", sha256="0" * 64),
        patches_archive=None,
        patches=(),
    )
    for version in ("1.1", "1.0")
)
LIBRARY = NativeLibrary(
    name="tiny",
    why="an example",
    licence="MIT",
    licence_files=("COPYING",),
    needs=(),
    programs=(),
    folder="",
    own_patches=(),
    commands=("make",),
    links=("tiny",),
    system_links=("m",),
    include="",
    config_program="tiny-config",
    config_version="1.1",
    sources=SOURCES,
)


def built(source: LibrarySource) -> BuiltLibrary:
    return BuiltLibrary(library=LIBRARY, source=source, folder=Path("/made"), key="key")


@pytest.mark.parametrize(("source", "number"), [(SOURCES[0], "3"), (SOURCES[1], "3_tiny1.0")])
def test_a_library_that_was_not_made_of_its_first_source_is_named_in_the_build_number(
    source: LibrarySource, number: str
) -> None:
    recipe = Recipe(compiled=True, links=("tiny",), build=3)
    assert machine_code._build_number(recipe, [built(source)]) == number


def test_a_library_of_the_machine_that_got_into_a_wheel_is_seen(tmp_path: Path) -> None:
    info = {"tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\n"}
    own = wheel(tmp_path / "own" / "tiny-1.0-py3-none-any.whl", {**info, "tiny.so": ""})
    other = wheel(tmp_path / "other" / "tiny-1.0-py3-none-any.whl", {**info, "tiny.libs/libz-1.so": ""})
    assert machine_code._grafted(own) is None
    assert machine_code._grafted(other) == "libz-1.so"


def test_an_extension_gets_answers_of_what_it_asks_a_library(tmp_path: Path) -> None:
    machine_code._write_config(tmp_path, built(SOURCES[0]), ["-I/made/usr/include"], built(SOURCES[0]).link_words)
    asked = {
        word: subprocess.run(
            [tmp_path / "tiny-config", word], capture_output=True, text=True, check=True
        ).stdout.strip()
        for word in ("--version", "--cflags", "--libs")
    }
    assert asked == {"--version": "1.1", "--cflags": "-I/made/usr/include", "--libs": "-L/made/usr/lib -ltiny -lm"}
