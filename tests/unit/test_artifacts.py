"""The records: three spellings of one release, and Pythons that are versions, not decimal numbers."""

from __future__ import annotations

import random

import pytest
from factories import constraints, manifest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from astronomer_certified.artifacts import Offset, Python, Release, Target


@pytest.mark.parametrize(
    ("printed", "ours"),
    [
        ("2.1.0+astro.4\n", True),
        ("a warning\n2.1.0+astro.4\n", True),
        (" _/_/  |_/_/  /_/  v2.1.0+astro.4\n", True),
        ("2.1.0\n", False),
        ("2.1.0+astro.40\n", False),
        ("2.1.0+astro.4\nTraceback", False),
        ("", False),
    ],
)
def test_a_release_knows_itself_in_what_airflow_prints(printed: str, ours: bool) -> None:
    assert Release(Version("2.1.0"), 4).is_named_by(printed) is ours


def test_a_release_has_three_spellings() -> None:
    release = Release(Version("2.1.0"), 4)
    assert release.tag == "2.1.0-4"
    assert str(release.certified) == "2.1.0.post4"
    assert str(release.patched) == "2.1.0+astro.4"


def test_the_tag_and_the_certified_version_are_the_same_for_pep_440() -> None:
    release = Release(Version("1.10.15"), 11)
    assert Version(release.tag) == release.certified


def test_releases_are_ordered_by_number_in_every_spelling() -> None:
    ordered = [
        Release(Version(upstream), revision)
        for upstream in ("1.10.5", "1.10.10", "1.10.15", "2.0.0", "2.1.0")
        for revision in (1, 2, 6, 11)
    ]
    shuffled = random.Random(1).sample(ordered, len(ordered))
    assert sorted(shuffled) == ordered
    assert sorted(shuffled, key=lambda release: release.certified) == ordered
    assert sorted(shuffled, key=lambda release: release.patched) == ordered


def test_a_patched_version_satisfies_what_providers_ask_for() -> None:
    patched = Release(Version("2.1.0"), 4).patched
    for asked in (">=2.1.0", ">=2.0.0", "~=2.1.0", "==2.1.0", "==2.1.*", "<2.2", "==2.1.0+astro.4"):
        assert patched in SpecifierSet(asked), asked
    assert patched not in SpecifierSet("==2.1.0+astro.3")


def test_the_wildcard_of_the_one_command_takes_the_newest_revision() -> None:
    revisions = [Release(Version("2.1.0"), revision).certified for revision in (1, 11, 6)]
    other = Release(Version("2.1.1"), 1).certified
    assert max(SpecifierSet("==2.1.0.*").filter([*revisions, other])) == Version("2.1.0.post11")


def test_pythons_are_ordered_as_versions() -> None:
    assert sorted(map(Python.parse, ("3.10", "3.9", "3.6"))) == [Python(3, 6), Python(3, 9), Python(3, 10)]
    assert (str(Python(3, 10)), Python(3, 10).tag) == ("3.10", "cp310")


@pytest.mark.parametrize("text", ["", "3", "3.", ".8", "3.8.1", "3.x", "-3.8", "3.8 ", "v3.8"])
def test_what_is_no_minor_version_of_python_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not MAJOR\.MINOR, like 3\.8"):
        Python.parse(text)


def test_an_offset_reads_as_a_sentence() -> None:
    offset = Offset(patch="0001.patch", file="a.py", hunk=2, expected_line=10, found_line=12)
    assert str(offset) == "0001.patch: a.py, hunk 2 applies at line 12, not 10"


@pytest.mark.parametrize(
    ("extras", "wanted"),
    [
        ((), {"flask"}),
        (("default",), {"flask", "redis", "kubernetes"}),
        (("celery",), {"flask", "redis"}),
        (("default", "ldap"), {"flask", "redis", "kubernetes", "python-ldap"}),
    ],
)
def test_an_installation_has_the_core_and_all_of_its_extras_beside_the_default_too(
    extras: tuple[str, ...], wanted: set[str]
) -> None:
    pins = constraints(
        "3.8", {"flask": "1"}, celery={"redis": "3"}, cncf_kubernetes={"kubernetes": "11"}, ldap={"python-ldap": "3"}
    )
    assert pins.wanted_by(manifest(), Target(python=Python(3, 8), extras=extras)) == wanted
