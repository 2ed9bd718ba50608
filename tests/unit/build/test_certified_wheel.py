"""The wheel that users name: its metadata pins everything, in words that the pips of the era understand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from factories import EPOCH, constraints, manifest
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.version import Version
from wheel.wheelfile import WheelFile

from astronomer_certified.artifacts import Python, Release
from astronomer_certified.build import certified_wheel
from astronomer_certified.formats import wheel_files

CLOSURES = (
    constraints(
        "3.6",
        {"flask": "1.1.4", "dataclasses": "0.8", "pandas": "1.1.5"},
        celery={"celery": "4.4.7", "vine": "1.3.0"},
        cncf_kubernetes={"kubernetes": "11.0.0", "pyyaml": "5.4.1"},
    ),
    constraints(
        "3.7",
        {"flask": "1.1.4", "pandas": "1.2.4"},
        celery={"celery": "4.4.7", "vine": "1.3.0"},
        cncf_kubernetes={"kubernetes": "11.0.0", "pyyaml": "5.4.1"},
    ),
    constraints(
        "3.8",
        {"flask": "1.1.4", "pandas": "1.2.4"},
        celery={"celery": "4.4.7"},
        cncf_kubernetes={"kubernetes": "11.0.0", "pyyaml": "5.4.1"},
    ),
)


def metadata() -> Metadata:
    return Metadata.from_email(certified_wheel.metadata(manifest(), CLOSURES), validate=True)


def requirements(python: str, extra: str = "") -> set[str]:
    """What an installer on that Python takes from the metadata for `astronomer-certified[EXTRA]`."""
    environment = {"python_version": python, "python_full_version": f"{python}.9", "extra": extra}
    return {
        f"{requirement.name}{requirement.specifier}"
        for requirement in metadata().requires_dist or []
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }


def lines(start: str) -> list[str]:
    return [
        line.removeprefix("Requires-Dist: ")
        for line in certified_wheel.metadata(manifest(), CLOSURES).splitlines()
        if line.startswith(f"Requires-Dist: {start}")
    ]


def test_the_metadata_is_valid_and_names_the_release() -> None:
    made = metadata()
    assert (made.name, str(made.version), made.metadata_version) == ("astronomer-certified", "2.1.0.post4", "2.1")
    assert str(made.requires_python) == "<3.9,>=3.6"
    assert made.description_content_type == "text/markdown"
    assert "pip install --index-url INDEX/simple/ 'astronomer-certified[celery,postgres,redis]==2.1.0.*'" in str(
        made.description
    )


def test_every_python_gets_exactly_its_own_closure() -> None:
    core = {"apache-airflow==2.1.0+astro.4", "flask==1.1.4"}
    assert requirements("3.6") == {*core, "dataclasses==0.8", "pandas==1.1.5"}
    assert requirements("3.7") == {*core, "pandas==1.2.4"}
    assert requirements("3.8") == {*core, "pandas==1.2.4"}


def test_every_extra_adds_exactly_its_own_pins() -> None:
    assert requirements("3.7", "celery") - requirements("3.7") == {"celery==4.4.7", "vine==1.3.0"}
    assert requirements("3.8", "celery") - requirements("3.8") == {"celery==4.4.7"}


def test_a_marker_is_there_only_where_the_pythons_differ() -> None:
    assert lines("flask") == ["flask==1.1.4"]
    assert lines("dataclasses") == ['dataclasses==0.8 ; python_version == "3.6"']
    assert lines("pandas") == [
        'pandas==1.1.5 ; python_version == "3.6"',
        'pandas==1.2.4 ; (python_version == "3.7" or python_version == "3.8")',
    ]


def test_a_pin_that_several_extras_ask_for_stands_in_one_line() -> None:
    assert lines("celery") == ['celery==4.4.7 ; (extra == "celery" or extra == "default")']
    pythons, extras = 'python_version == "3.6" or python_version == "3.7"', 'extra == "celery" or extra == "default"'
    assert lines("vine") == [f"vine==1.3.0 ; ({pythons}) and ({extras})"]


@pytest.mark.parametrize("spelling", ["cncf.kubernetes", "cncf-kubernetes"])
def test_a_dotted_extra_is_there_in_both_spellings(spelling: str) -> None:
    assert f"Provides-Extra: {spelling}\n" in certified_wheel.metadata(manifest(), CLOSURES)
    assert all(f'extra == "{spelling}"' in line for line in lines("pyyaml"))
    assert "pyyaml==5.4.1" in requirements("3.8", spelling)


def test_the_default_extra_is_the_union_of_what_the_image_has() -> None:
    assert requirements("3.8", "default") - requirements("3.8") == {
        "celery==4.4.7",
        "kubernetes==11.0.0",
        "pyyaml==5.4.1",
    }
    smaller = manifest(default_extras=frozenset({"celery"}))
    assert set(certified_wheel.extras(smaller, CLOSURES)) == {"celery", "cncf.kubernetes", "default"}
    assert certified_wheel.extras(smaller, CLOSURES)["default"][Python(3, 8)] == {"celery"}


def test_no_requirement_is_without_an_exact_version() -> None:
    for requirement in metadata().requires_dist or []:
        assert [specifier.operator for specifier in requirement.specifier] == ["=="]
        assert "*" not in str(requirement.specifier)
        assert Requirement(str(requirement)).url is None


def test_a_python_between_the_supported_ones_is_not_claimed() -> None:
    gap = manifest(pythons=(Python(3, 6), Python(3, 8)))
    made = Metadata.from_email(certified_wheel.metadata(gap, (CLOSURES[0], CLOSURES[2])), validate=True)
    assert made.requires_python is not None
    assert [
        version for version in ("3.5.1", "3.6.9", "3.7.9", "3.8.20", "3.9.0") if version in made.requires_python
    ] == [
        "3.6.9",
        "3.8.20",
    ]


# --- the file


def carried(files: Mapping[str, bytes]) -> certified_wheel.Carried:
    """These files, a patch and the vulnerability that it fixes."""
    patch = certified_wheel.CarriedPatch(
        distribution="apache-airflow", name="fix-it", subject="Fix it", fixes=("CVE-2026-0001",), change="demo#1",
        proofs=("test_demo.py",), notice="",
    )  # fmt: skip
    known = certified_wheel.KnownVulnerability(
        id="CVE-2026-0001", aliases=(), summary="It was broken.", severity=9.8, status="fixed", reason="fix-it",
        evidence=("test_demo.py",),
    )  # fmt: skip
    return certified_wheel.Carried(files=files, patches=(patch,), vulnerabilities=(known,))


def test_the_wheel_carries_the_payload_the_constraints_and_the_release(tmp_path: Path) -> None:
    files = {"constraints-3.8.txt": b"flask==1.1.4\n"}
    made = certified_wheel.build(manifest(), CLOSURES, carried(files), tmp_path)
    assert made.filename == "astronomer_certified-2.1.0.post4-py3-none-any.whl"
    members = wheel_files.read(made.path)
    assert members["astronomer_certified/constraints/constraints-3.8.txt"].content == b"flask==1.1.4\n"
    record = json.loads(members["astronomer_certified/release.json"].content)
    assert (record["tag"], record["certificate"]) == ("2.1.0-4", "certificate-2.1.0-4.json")
    assert [(item["name"], item["fixes"]) for item in record["patches"]] == [("fix-it", ["CVE-2026-0001"])]
    assert [(item["id"], item["status"]) for item in record["vulnerabilities"]] == [("CVE-2026-0001", "fixed")]
    for name, content in certified_wheel.payload().items():
        assert members[f"astronomer_certified/{name}"].content == content
    assert not any("__pycache__" in name for name in members)
    with WheelFile(made.path) as archive:
        assert all(archive.read(name) == member.content for name, member in members.items())


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    release = manifest()
    made = [certified_wheel.build(release, CLOSURES, carried({}), tmp_path / name) for name in ("first", "second")]
    assert made[0].path.read_bytes() == made[1].path.read_bytes()
    assert release.core.epoch == EPOCH


def test_patch_releases_that_the_closure_is_not_for_are_taken_out_by_name() -> None:
    text = certified_wheel.metadata(manifest(first_patch={Python(3, 8): 1, Python(3, 6): 2}), CLOSURES)
    made = Metadata.from_email(text, validate=True)
    assert made.requires_python is not None
    known = ("3.6.0", "3.6.1", "3.6.2", "3.7.0", "3.8.0", "3.8.1", "3.9.0")
    assert [version for version in known if version in made.requires_python] == ["3.6.2", "3.7.0", "3.8.1"]


@pytest.mark.parametrize(
    ("upstream", "plugin"),
    [("1.10.7", False), ("1.10.12", False), ("1.10.14", True), ("1.10.15", True), ("2.0.0", True)],
)
def test_airflow_is_told_of_the_plugin_where_another_pin_does_not_keep_it_from_starting(
    tmp_path: Path, upstream: str, plugin: bool
) -> None:
    core = replace(manifest().core, release=Release(Version(upstream), 1))
    made = certified_wheel.build(manifest(core=core), CLOSURES, carried({}), tmp_path)
    [text] = [item.content for name, item in wheel_files.read(made.path).items() if name.endswith("entry_points.txt")]
    assert (b"[airflow.plugins]" in text) == plugin
    assert b"astronomer-certified = astronomer_certified.command:main" in text
