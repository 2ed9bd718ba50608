"""Records of what is installed beside Airflow: strictly read, and matched with pins as PEP 440 has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import ROOT, write_tree
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.advisories import dependencies
from astronomer_certified.errors import ManifestError
from astronomer_certified.workspace import Workspace

RECORD = """\
[[advisory]]
id = "CVE-2023-43804"
aliases = ["GHSA-v845-jxx5-vc9f"]
summary = "Cookie headers are sent on."
severity = 8.1
affected = [">=1.25.11,<1.26.17", ">=2.0,<2.0.6"]

[[advisory]]
id = "CVE-2021-33503"
summary = "A URL takes long to parse."
affected = ["<1.26.5"]
not-reachable = "Nobody gives it one."
"""


def known(
    workspace: Workspace, text: str = RECORD, name: str = "urllib3"
) -> tuple[dependencies.DependencyAdvisory, ...]:
    write_tree(workspace.root, {f"advisories/dependencies/{name}.toml": text})
    return dependencies.load(workspace)


def ids(version: str, found: tuple[dependencies.DependencyAdvisory, ...], *repaired: tuple[str, str]) -> list[str]:
    pins = {canonicalize_name("urllib3"): Version(version), canonicalize_name("flask"): Version("1")}
    return [
        hit.advisory.id
        for hit in dependencies.hits(pins, found, [(canonicalize_name(name), cve) for name, cve in repaired])
    ]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.25.11", ["CVE-2023-43804", "CVE-2021-33503"]),
        ("1.26.5", ["CVE-2023-43804"]),
        ("1.26.5+astro.1", ["CVE-2023-43804"]),
        ("1.26.17", []),
        ("1.24", ["CVE-2021-33503"]),
        ("2.0.5", ["CVE-2023-43804"]),
        ("2.0.6", []),
    ],
)
def test_a_pin_has_what_a_range_of_the_record_says(workspace: Workspace, version: str, expected: list[str]) -> None:
    assert ids(version, known(workspace)) == expected


def test_what_a_repair_ends_is_none_of_it_by_any_of_its_ids(workspace: Workspace) -> None:
    found = known(workspace)
    assert ids("1.26.5+astro.1", found, ("urllib3", "CVE-2023-43804")) == []
    assert ids("1.26.5+astro.1", found, ("urllib3", "GHSA-v845-jxx5-vc9f")) == []
    assert ids("1.26.5", found, ("flask", "CVE-2023-43804")) == ["CVE-2023-43804"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('id = "CVE-2021-33503"', 'id = "CVE-2023-43804"', "advisory.1.id: CVE-2023-43804 stands there twice"),
        ('["<1.26.5"]', '["1.26.5"]', "advisory.1.affected: not a version specifier (PEP 440): '1.26.5'"),
        ('["<1.26.5"]', "[]", "advisory.1.affected: must name at least one"),
        ("8.1", "11", "advisory.0.severity: must be a CVSS base score from 0 to 10, not 11"),
        ("not-reachable", "not-reachble", "advisory.1.not-reachble"),
        ('summary = "A URL takes long to parse."\n', "", "advisory.1.summary: missing"),
    ],
)
def test_a_bad_record_is_named(workspace: Workspace, old: str, new: str, expected: str) -> None:
    assert old in RECORD
    with pytest.raises(ManifestError) as refused:
        known(workspace, RECORD.replace(old, new))
    assert expected in "\n".join(refused.value.details)
    assert refused.value.hint == "docs/dependencies.md says what a record holds"


def test_a_file_that_is_called_after_no_project_is_named(workspace: Workspace) -> None:
    with pytest.raises(ManifestError, match="1 problem") as refused:
        known(workspace, name="Flask_Login")
    assert "not called after a normalized project name" in refused.value.details[0]


def test_every_record_of_ours_is_read_and_says_what_happens() -> None:
    found = dependencies.load(Workspace.at(ROOT))
    files = list((ROOT / "advisories/dependencies").glob("*.toml"))
    assert {item.project for item in found} == {Path(path).stem for path in files}
    assert all(item.summary.endswith((".", "!")) for item in found)
