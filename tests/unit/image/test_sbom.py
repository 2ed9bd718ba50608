"""The bill of materials says what is in an image, what was done to it, and what is not known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import pytest
from test_context import image

from astronomer_certified.artifacts import Python, Wheel
from astronomer_certified.errors import BuildError
from astronomer_certified.formats.wheel_files import wheel_at
from astronomer_certified.image import sbom, suites
from astronomer_certified.image.context import OwnBase

STATUS = """\
Package: libssl3
Status: install ok installed
Architecture: amd64
Version: 3.0.17-1~deb12u2
Description: Secure Sockets Layer toolkit
 More of it.

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def vulnerability(id: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id, "aliases": [], "summary": f"{id} is bad", "severity": 9.8, "status": status, "reason": "",
        "evidence": [], **more,
    }  # fmt: skip


RELEASE = {
    "patches": [
        {"distribution": "apache-airflow", "name": "mend-it", "subject": "Mend it", "fixes": ["CVE-1"]},
        {"distribution": "apache-airflow", "name": "count-it", "subject": "Count it", "fixes": []},
        {"distribution": "celery", "name": "other", "subject": "Another", "fixes": []},
    ],
    "vulnerabilities": [
        vulnerability("CVE-1", "fixed", reason="mend-it"),
        vulnerability("CVE-2", "in upstream"),
        vulnerability("CVE-3", "not affected", evidence=["a.py: no b"]),
        vulnerability("CVE-4", "affected", severity=None),
        vulnerability("CVE-5", "unknown"),
    ],
}


def wheel(folder: Path, name: str, version: str, *lines: str, **files: str) -> Wheel:
    metadata = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, "", ""])
    stem = f"{name.replace('-', '_')}-{version}"
    content = {f"{stem}.dist-info/METADATA": metadata, **files}
    return wheel_at(factories.wheel(folder / f"{stem}-py3-none-any.whl", content))


@pytest.fixture
def wheels(tmp_path: Path) -> list[Wheel]:
    release = {"astronomer_certified/release.json": json.dumps(RELEASE)}
    asked = "Requires-Dist: apache-airflow==2.1.0+astro.4"
    default = 'Requires-Dist: Demo_One==1.0; extra == "default" and python_version == "3.7"'
    other = 'Requires-Dist: demo-two==2.0; extra == "default" and python_version == "3.8"'
    return [
        wheel(tmp_path, "apache-airflow", "2.1.0+astro.4", "License: Apache", "Classifier: License :: OSI Approved"),
        wheel(tmp_path, "astronomer-certified", "2.1.0.post4", asked, default, other, **release),
        wheel(tmp_path, "demo-one", "1.0", "License-Expression: MIT OR Apache-2.0"),
        wheel(tmp_path, "demo-two", "2.0", "License: UNKNOWN", "Requires-Dist: not a requirement ==="),
    ]


def said(*arguments: Any) -> Any:
    return json.loads(sbom.bill(*arguments))


def test_every_wheel_is_in_it_with_its_digest_licence_and_what_it_needs(wheels: list[Wheel]) -> None:
    bill = said(image(), wheels)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == "2.1.0-4-buster"
    by_name = {item["name"]: item for item in bill["components"]}
    assert {name: item["hashes"][0]["content"] for name, item in by_name.items()} == {
        wheel.filename.partition("-")[0].replace("_", "-"): wheel.sha256 for wheel in wheels
    }
    assert by_name["apache-airflow"]["purl"] == "pkg:pypi/apache-airflow@2.1.0%2Bastro.4"
    assert by_name["apache-airflow"]["licenses"] == [{"license": {"name": "Apache"}}]
    assert [item["expression"] for item in by_name["demo-one"]["licenses"]] == ["MIT OR Apache-2.0"]
    assert "licenses" not in by_name["demo-two"]
    needs = {item["ref"]: item.get("dependsOn", []) for item in bill["dependencies"]}
    assert needs["image"] == ["astronomer-certified==2.1.0.post4"]
    assert needs["astronomer-certified==2.1.0.post4"] == ["apache-airflow==2.1.0+astro.4", "demo-one==1.0"]


def test_an_image_with_other_extras_says_what_these_need_and_its_own_name(tmp_path: Path, wheels: list[Wheel]) -> None:
    asked = [
        f'Requires-Dist: {name}==1.0; extra == "{extra}"' for name, extra in (("demo-one", "a"), ("demo-two", "b"))
    ]
    release = {"astronomer_certified/release.json": json.dumps(RELEASE)}
    (tmp_path / "again").mkdir()
    wheels[1] = wheel(tmp_path / "again", "astronomer-certified", "2.1.0.post4", *asked, **release)
    bill = said(image(extras=("b", "c"), given_name="example.org/mine:1"), wheels)
    whole = bill["metadata"]["component"]
    assert (whole["name"], whole["version"]) == ("example.org/mine", "1")
    needs = {item["ref"]: item.get("dependsOn", []) for item in bill["dependencies"]}
    assert needs["astronomer-certified==2.1.0.post4"] == ["demo-two==2.0"]


def test_the_core_says_what_it_comes_from_and_what_was_mended(wheels: list[Wheel]) -> None:
    [core] = [item for item in said(image(), wheels)["components"] if item["name"] == "apache-airflow"]
    assert [item["version"] for item in core["pedigree"]["ancestors"]] == ["2.1.0"]
    resolved = [issue for patch in core["pedigree"]["patches"] for issue in patch["resolves"]]
    assert {(item["type"], item["id"]) for item in resolved} == {("security", "CVE-1"), ("defect", "count-it")}


def test_what_the_release_says_of_vulnerabilities_is_said_in_the_words_of_scanners(wheels: list[Wheel]) -> None:
    bill = said(image(), wheels)
    states = {item["id"]: item["analysis"]["state"] for item in bill["vulnerabilities"]}
    assert states == {
        "CVE-1": "resolved_with_pedigree", "CVE-2": "resolved", "CVE-3": "not_affected", "CVE-4": "exploitable",
        "CVE-5": "in_triage",
    }  # fmt: skip
    details = {item["id"]: item["analysis"].get("detail") for item in bill["vulnerabilities"]}
    assert details["CVE-1"] == "mend-it"
    assert details["CVE-3"] == "a.py: no b"
    assert {target["ref"] for item in bill["vulnerabilities"] for target in item["affects"]} == {
        "apache-airflow==2.1.0+astro.4"
    }
    [properties] = [bill["metadata"]["component"]["properties"]]
    assert any("whose packages are not listed here" in item["value"] for item in properties)


def test_an_own_base_is_in_it_with_its_cpython(tmp_path: Path, wheels: list[Wheel]) -> None:
    system = factories.tar_gz(tmp_path / "base.tar", [factories.file("./var/lib/dpkg/status", STATUS.encode())])
    base = OwnBase(system=system, python=system, full_version="3.8.18")
    made = image(base=base, suite=suites.find("bookworm"), python=Python(3, 8))
    bill = said(made, wheels)
    purls = {item["purl"] for item in bill["components"]}
    assert "pkg:generic/cpython@3.8.18" in purls
    assert {purl for purl in purls if purl.startswith("pkg:deb")} == {
        "pkg:deb/debian/libssl3@3.0.17-1~deb12u2?arch=amd64&distro=debian-12"
    }
    assert sbom.bill(made, wheels) == sbom.bill(made, wheels[::-1])
    # Another system is another bill, by its serial number, too.
    newer = STATUS.replace("deb12u2", "deb12u3").encode()
    other = factories.tar_gz(tmp_path / "other.tar", [factories.file("./var/lib/dpkg/status", newer)])
    again = image(base=replace(base, system=other), suite=suites.find("bookworm"), python=Python(3, 8))
    assert said(again, wheels)["serialNumber"] != bill["serialNumber"]
    empty = factories.tar_gz(tmp_path / "empty.tar", [factories.file("etc/passwd")])
    with pytest.raises(BuildError, match="is no Debian"):
        said(image(base=OwnBase(system=empty, python=empty, full_version="3.8.18")), wheels)


def test_an_image_without_the_release_is_refused(wheels: list[Wheel]) -> None:
    with pytest.raises(BuildError, match="without astronomer-certified"):
        said(image(), [wheels[0], wheels[2]])
