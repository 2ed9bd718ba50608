"""The releases make the architecture document's tables true: read out of the document, held against built metadata."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest
from factories import ROOT
from packaging.metadata import parse_email
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import Manifest
from astronomer_certified.build import certified_wheel
from astronomer_certified.closure import constraints
from astronomer_certified.project import manifest
from astronomer_certified.workspace import Workspace

DOCUMENT = Path(os.environ.get("CERTIFIED_ARCHITECTURE_DOCUMENT") or ROOT / "docs" / "architecture-document.md")
# The document's column says azure; Airflow's extra, and the provider, are named microsoft.azure.
EXTRA_OF_COLUMN = {"azure": "microsoft.azure"}


def section(title: str) -> str:
    return DOCUMENT.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]


@cache
def provider_table() -> dict[str, dict[str, Version]]:
    """What the document pins: the version of each provider by Airflow version and extra."""
    rows = [
        [re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", cell).strip(" *") for cell in line.strip().strip("|").split("|")]
        for line in section("Provider Packages").splitlines()
        if line.startswith("|") and not set(line) <= set("|- ")
    ]
    columns = [EXTRA_OF_COLUMN.get(name, name) for name in rows[0][1:]]
    return {row[0]: dict(zip(columns, map(Version, row[1:]), strict=True)) for row in rows[1:]}


@cache
def release(version: str) -> Manifest:
    return manifest.load(Workspace.at(ROOT), Version(version))


@cache
def pins(version: str) -> dict[str, dict[str, Version]]:
    """The pins of each extra of the certified wheel, on each Python: `{"celery 3.8": {"vine": ...}}`."""
    stated = release(version)
    closures = constraints.load(ROOT / "constraints" / version, stated.pythons)
    requirements = [
        Requirement(line)
        for line in parse_email(certified_wheel.metadata(stated, closures))[0].get("requires_dist", [])
    ]
    return {
        f"{extra} {python}": {
            requirement.name: Version(next(iter(requirement.specifier)).version)
            for requirement in requirements
            if requirement.marker is None
            or requirement.marker.evaluate({"extra": extra, "python_version": str(python)})
        }
        for extra in (*stated.extras, "default")
        for python in stated.pythons
    }


def test_the_document_s_table_is_read_whole() -> None:
    table = provider_table()
    assert len(table) == 8
    assert {len(row) for row in table.values()} == {15}


@pytest.mark.parametrize("version", ["2.0.0", "2.0.2", "2.1.0"])
def test_every_provider_of_2_x_is_pinned_as_the_document_says(version: str) -> None:
    for extra, pinned in provider_table()[version].items():
        name = f"apache-airflow-providers-{extra.replace('.', '-')}"
        for python in release(version).pythons:
            for asked in (extra, "default"):
                found = pins(version)[f"{asked} {python}"]
                # A repaired provider is the same version with a local part, which `==` does not look at (PEP 440).
                assert Version(found[name].public) == pinned, (extra, asked, python)


@pytest.mark.parametrize("version", ["1.10.7", "1.10.10", "1.10.12", "1.10.14", "1.10.15"])
def test_a_release_of_1_10_records_what_the_document_says(version: str) -> None:
    assert release(version).documented_providers == provider_table()[version]


@pytest.mark.parametrize("version", ["1.10.7", "1.10.10", "1.10.12", "1.10.14", "1.10.15"])
def test_the_extras_of_1_10_install_the_backports_that_the_manifest_states(version: str) -> None:
    stated = release(version)
    for extra in provider_table()[version]:
        assert extra in stated.default_extras
        name = f"apache-airflow-backport-providers-{extra.replace('.', '-')}"
        for python in stated.pythons:
            found = pins(version)[f"{extra} {python}"].get(name)
            assert (Version(found.public) if found else None) == stated.providers.get(canonicalize_name(name))


@pytest.mark.parametrize("path", sorted((ROOT / "patches").glob("*/release.toml")), ids=lambda path: path.parent.name)
def test_every_extra_of_the_document_s_list_is_there_and_in_default(path: Path) -> None:
    stated = release(path.parent.name)
    listed = set(re.findall(r"^- ([a-z]+):", section("Extras"), re.MULTILINE))
    assert len(listed) == 6
    assert listed <= stated.default_extras <= set(stated.extras)


# --- the environment file

SHIPPED = ROOT / "src" / "astronomer_certified" / "payload" / "astronomer-certified"
# Where the document's value cannot work, or would be no secret: what is shipped in its place. The file says why.
OTHERWISE = {
    "AIRFLOW_HOME": "/usr/local/airflow",
    "AIRFLOW__CORE__SQL_ALCHEMY_CONN": "sqlite:////usr/local/airflow/airflow.db",
    "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
    "AIRFLOW__CORE__FERNET_KEY": "",
}


def documented_variables() -> dict[str, str]:
    """The defaults of the document by variable."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in section("Environment Variables").splitlines()
        if re.match(r"\|\s*[A-Z]", line)
    ]
    return {row[0]: row[2] for row in rows if row[0] != "Variable"}


def test_the_shipped_file_has_every_variable_of_the_document_with_its_default() -> None:
    shipped = dict(re.findall(r"^#?([A-Z][A-Z_]*)=(.*)$", SHIPPED.read_text(encoding="utf-8"), re.MULTILINE))
    documented = documented_variables()
    assert len(documented) == 14
    assert {name: shipped.get(name) for name in documented} == {**documented, **OTHERWISE}
    # Where it differs, the document's own words stand beside.
    text = SHIPPED.read_text(encoding="utf-8")
    assert [name for name in OTHERWISE if f"The document says {documented[name]}" not in text] == []


def test_every_variable_of_the_shipped_file_is_explained_above_it() -> None:
    for block in SHIPPED.read_text(encoding="utf-8").split("\n\n")[1:]:
        assert re.match(r"# \S", block), block
