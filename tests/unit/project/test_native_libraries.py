"""constraints/native.toml: what it states of C libraries, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import ROOT

from astronomer_certified.errors import ManifestError
from astronomer_certified.native.records import with_needs
from astronomer_certified.project import native_libraries

LIBRARY = """\
[tiny]
why = "an example"
licence = "MIT"
licence-files = ["COPYING"]
commands = ["make"]
links = ["tiny"]

[[tiny.sources]]
version = "1.0"
file = "pool/main/t/tiny/tiny_1.0.orig.tar.gz"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
"""


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "native.toml"
    path.write_text(text)
    with pytest.raises(ManifestError) as refused:
        native_libraries.load(path)
    return list(refused.value.details)


def test_the_libraries_of_this_repository_come_after_what_they_need() -> None:
    libraries = native_libraries.load(ROOT / "constraints" / "native.toml")
    order = [library.name for library in with_needs(["openldap"], libraries)]
    assert order == ["openssl", "krb5", "cyrus-sasl", "openldap"]
    assert with_needs([], libraries) == ()


def test_our_own_patches_of_them_are_there() -> None:
    libraries = native_libraries.load(ROOT / "constraints" / "native.toml")
    stated = {name for library in libraries.values() for name in library.own_patches}
    assert stated == {path.name for path in (ROOT / "constraints" / "native").iterdir()}


def test_no_prefix_of_a_library_is_a_folder_that_others_may_write() -> None:
    libraries = native_libraries.load(ROOT / "constraints" / "native.toml")
    for library in libraries.values():
        words = " ".join(library.commands).replace('"', " ").split()
        stated = dict(word.lstrip("-D").split("=", 1) for word in words if word.startswith("-") and "=" in word)
        for key in ("prefix", "CMAKE_INSTALL_PREFIX"):
            assert stated.get(key, "/usr") == "/usr", library.name
        for key in ("sysconfdir", "openssldir", "with-configdir"):
            assert stated.get(key, "/etc").startswith("/etc"), library.name


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('links = ["tiny"]', 'link = ["tiny"]', "line 6: tiny.link: unknown key, did you mean 'links'?"),
        ('licence = "MIT"', "", "line 1: tiny.licence: missing"),
        ('commands = ["make"]', 'commands = ["make"]\nneeds = ["huge"]', "needs huge, which is not in this file"),
        ('commands = ["make"]', 'commands = ["make"]\nneeds = ["tiny"]', "needs itself"),
        ('file = "pool', 'file = "/pool', "must be a relative path without '..'"),
        ('version = "1.0"', 'version = "1.0"\npatches = ["a.patch"]', "are stated together"),
        ('sha256 = "0000', 'sha256 = "', "must be 64 lower-case hex digits"),
    ],
)
def test_what_is_not_as_it_must_be_is_named_with_its_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert LIBRARY.count(old) == 1
    assert any(problem in told for told in problems(tmp_path, LIBRARY.replace(old, new)))


def test_a_library_without_a_source_is_refused(tmp_path: Path) -> None:
    text = LIBRARY[: LIBRARY.index("[[")]
    assert any("at least one is needed" in told for told in problems(tmp_path, text))
