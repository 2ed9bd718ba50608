"""`astronomer-certified info`: what differs from upstream, and what is known to be wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from payload_fixtures import PYTHONS, Installed


def test_info_says_what_the_release_has_and_what_is_known_of_it(installed: Installed, tmp_path: Path) -> None:
    lines = installed.run("info", home=tmp_path).stdout.splitlines()
    assert lines[0] == "Astronomer Certified 2.1.0-4 (apache-airflow 2.1.0+astro.4), for Python " + ", ".join(
        map(str, PYTHONS)
    )
    assert "certificate-2.1.0-4.json" in lines[1]
    assert "1 patches:" in lines
    assert "  Fix <it>  CVE-2026-0001" in lines
    assert "4 known vulnerabilities: 1 fixed, 1 in upstream, 2 affected" in lines
    assert "  CVE-2026-0002  affected     CVE-2026-0002 is bad." in lines


def test_info_of_one_status_says_why(installed: Installed, tmp_path: Path) -> None:
    assert installed.run("info", "--status", "affected", home=tmp_path).stdout.splitlines() == [
        "CVE-2026-0002: CVE-2026-0002 is bad.",
        "  affected: no patch yet",
        "CVE-2026-0003: CVE-2026-0003 is bad.",
        "  affected: nobody uses it",
    ]


def test_info_for_machines_has_everything(installed: Installed, tmp_path: Path) -> None:
    found = json.loads(installed.run("info", "--json", home=tmp_path).stdout)
    assert (found["tag"], found["airflow"], found["pythons"]) == ("2.1.0-4", "2.1.0+astro.4", [*map(str, PYTHONS)])
    assert found["patches"][0]["proofs"] == ["test_demo.py"]
    assert found["vulnerabilities"][0]["evidence"] == ["test_demo.py"]


@pytest.fixture
def record(installed: Installed) -> Iterator[Path]:
    """The file that says what the release is; a test may change it."""
    path = installed.site / "astronomer_certified" / "release.json"
    whole = path.read_bytes()
    yield path
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (None, "no JSON; install astronomer-certified again"),
        ({"format": 3}, "release.json has format 3, and this command reads 2"),
        ({"patches": [{"name": "fix-it"}]}, "release.json lacks something that it must have"),
        ({"vulnerabilities": None}, "release.json lacks something that it must have"),
    ],
)
def test_without_a_whole_record_info_says_what_is_installed_and_what_is_wrong(
    installed: Installed, tmp_path: Path, record: Path, changes: dict[str, object] | None, said: str
) -> None:
    whole = json.loads(record.read_bytes())
    record.write_text("{" if changes is None else json.dumps({**whole, **changes}))
    done = installed.run("info", home=tmp_path, status=1)
    assert done.stdout == "apache-airflow 2.1.0+astro.4 is installed\n"
    assert said in done.stderr
