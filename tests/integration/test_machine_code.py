"""Wheels with machine code: a C library from a pinned archive goes into them, and they say so."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path

import fake_compiler
import pytest
from fake_project import Finished, Project, not_done


@pytest.fixture
def salt(tmp_path: Path) -> str:
    """What makes the library of one test another one than those of the others, which share a cache with it."""
    return str(tmp_path)


@pytest.fixture
def linked(project: Project, salt: str) -> Project:
    """A project whose compiled wheel links a C library that no cache has yet."""
    recipes = project.root / "constraints" / "builds.toml"
    recipes.write_text(recipes.read_text() + 'links = ["tiny"]\n')
    (project.root / "constraints" / "native.toml").write_text(fake_compiler.record(salt))
    return project


def made(project: Project, salt: str, *archives: str) -> Finished:
    """`certified wheelhouse`, with a folder of those archives; all of them by default."""
    return project.run(
        "wheelhouse", **given(project, fake_compiler.write_archives(project.root / "sources", salt, *archives))
    )


def given(project: Project, sources: Path) -> dict[str, str]:
    """The variables of an operator who names a folder, on a machine whose apt knows no mirror."""
    return {"CERTIFIED_SOURCES_DIR": str(sources), **fake_compiler.apt_for(project.root / "apt")}


def machine_wheel(project: Project) -> Path:
    [path] = project.root.glob("dist/*/wheelhouse/tiny_machine-*.whl")
    return path


def kept(project: Project, pattern: str) -> list[Path]:
    return list((project.cache / "astronomer-certified").glob(pattern))


def test_a_wheel_holds_what_it_says_of_the_library_inside(linked: Project, salt: str) -> None:
    assert made(linked, salt).status == 0

    with zipfile.ZipFile(machine_wheel(linked)) as wheel:
        licence = wheel.read("tiny_machine-1.0.dist-info/licenses/tiny/COPYING")
        bill = json.loads(wheel.read("tiny_machine-1.0.dist-info/sboms/astronomer-certified.cdx.json"))
    assert licence.decode() == f"Do as you like, {salt}.\n"
    [component] = bill["components"]
    assert (component["name"], component["version"]) == ("tiny", "1.0")
    assert component["licenses"] == [{"license": {"id": "MIT"}}]
    said = {(item["name"], item["value"]) for item in component["properties"]}
    assert said == {
        ("astronomer-certified:archive", fake_compiler.LIBRARY), ("astronomer-certified:patch", "answer.patch")
    }  # fmt: skip


def test_the_same_library_is_made_once_and_gives_the_same_wheel(linked: Project, salt: str) -> None:
    assert "the C library tiny" in made(linked, salt).stderr
    wheel = machine_wheel(linked).read_bytes()
    for path in kept(linked, "wheels/*/*/tiny_machine*"):
        path.unlink()

    again = made(linked, salt)

    assert again.status == 0
    assert "the C library tiny" not in again.stderr
    assert machine_wheel(linked).read_bytes() == wheel


def test_debians_patches_are_applied(linked: Project, salt: str) -> None:
    record = linked.root / "constraints" / "native.toml"
    record.write_text(record.read_text().replace('"$CC', '"grep -q 42 tiny.c && $CC', 1))
    assert made(linked, salt).status == 0
    record.write_text(record.read_text().replace("grep -q 42", "grep -q 41", 1))
    refused = made(linked, salt)
    assert refused.status == 1
    assert "the C library tiny could not be made" in refused.stderr


def test_an_older_source_that_will_do_gives_another_name(linked: Project, salt: str) -> None:
    assert made(linked, salt, fake_compiler.SECOND).status == 0
    assert machine_wheel(linked).name.startswith("tiny_machine-1.0-1_tiny0.9-")


def test_without_any_source_the_files_and_the_variable_are_named(linked: Project, salt: str) -> None:
    refused = made(linked, salt, "none")
    assert refused.status == 1
    assert "no source of tiny can be had" in refused.stderr
    assert fake_compiler.LIBRARY in refused.stderr
    assert "CERTIFIED_SOURCES_DIR" in refused.stderr


def test_another_content_than_was_pinned_is_never_used(linked: Project, salt: str) -> None:
    sources = fake_compiler.write_archives(linked.root / "sources", salt)
    (sources / fake_compiler.LIBRARY).write_bytes(b"something else")
    refused = linked.run("wheelhouse", **given(linked, sources))
    assert refused.status == 1
    assert f"{fake_compiler.LIBRARY} does not have the sha256 that this repository says" in refused.stderr
    for path in kept(linked, f"files/*/*/{fake_compiler.LIBRARY}"):
        assert path.read_bytes() != b"something else"


def test_a_patch_that_does_not_apply_is_named(linked: Project, salt: str) -> None:
    own = linked.root / "constraints" / "native"
    own.mkdir()
    (own / "other.patch").write_text("--- a/tiny.c\n+++ b/tiny.c\n@@ -1 +1 @@\n-nothing like it\n+something\n")
    record = linked.root / "constraints" / "native.toml"
    record.write_text(record.read_text().replace('links = ["tiny"]', 'links = ["tiny"]\nown-patches = ["other.patch"]'))
    refused = made(linked, salt)
    assert refused.status == 1
    assert "other.patch does not apply to tiny 1.0" in refused.stderr


def test_a_missing_program_is_named_with_its_package(linked: Project, salt: str) -> None:
    record = linked.root / "constraints" / "native.toml"
    record.write_text(record.read_text().replace('["make"]', '["tiny-absent"]'))
    finished = made(linked, salt)
    listed = not_done(finished)
    assert "why: missing on this machine: tiny-absent" in listed
    assert "how: apt-get install tiny-absent" in listed


def test_of_a_library_only_what_is_static_can_be_linked(linked: Project, salt: str) -> None:
    # It makes a shared library as well, which the extension would need at run time.
    record = linked.root / "constraints" / "native.toml"
    shared = '"$CC -shared -Wl,-soname,libtiny.so.1 tiny.c -o libtiny.so && touch libtiny.a",'
    text = record.read_text()
    start, end = text.index('"$CC'), text.index("\n", text.index('"$CC'))
    record.write_text(text[:start] + shared + text[end:].replace("cp libtiny.a", "cp libtiny.a libtiny.so"))
    finished = made(linked, salt)
    assert finished.status == 0
    assert kept(linked, "libraries/*/usr/lib/*.a")
    assert not kept(linked, "libraries/*/usr/lib/*.so*")


def test_the_archives_are_published_beside_the_wheels(linked: Project, salt: str) -> None:
    sources = fake_compiler.write_archives(linked.root / "sources", salt)
    linked.must("publish", **given(linked, sources))

    [published] = linked.store.glob("astronomer_certified_sources-*.tar.gz")
    with tarfile.open(published) as archive:
        held = {Path(member.name).relative_to(Path(member.name).parts[0]).as_posix(): member for member in archive}
        stream = archive.extractfile(held[f"archives/{fake_compiler.LIBRARY}"])
        assert stream is not None
        assert stream.read() == (sources / fake_compiler.LIBRARY).read_bytes()
    assert {f"archives/{fake_compiler.PATCHES}", "native.toml", "compilers.txt", "PKG-INFO"} <= held.keys()
    assert f"archives/{fake_compiler.SECOND}" not in held
    # The same again gives the same file: nothing is published twice.
    linked.must("publish", **given(linked, sources))
    assert list(linked.store.glob("astronomer_certified_sources-*.tar.gz")) == [published]


def test_what_a_killed_run_left_of_a_library_is_taken_away(linked: Project, salt: str) -> None:
    assert made(linked, salt).status == 0
    left = linked.cache / "astronomer-certified" / "libraries" / ".tiny.tmp-killed"
    left.mkdir()
    record = linked.root / "constraints" / "native.toml"
    record.write_text(record.read_text().replace("mkdir -p", "mkdir -p  "))

    assert made(linked, salt).status == 0

    assert not left.exists()
