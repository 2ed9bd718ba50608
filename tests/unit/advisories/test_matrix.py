"""The carry matrix and the records that it is made of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from factories import ROOT, patch, series, write_tree
from packaging.version import Version

from astronomer_certified.advisories import ledger, matrix, matrix_page, records
from astronomer_certified.advisories.status import Statement, VulnerabilityStatus
from astronomer_certified.commands import main
from astronomer_certified.errors import ManifestError
from astronomer_certified.workspace import Workspace

RECORD = """\
id = "CVE-2021-0001"
aliases = ["GHSA-aaaa-bbbb-cccc"]
summary = "Anybody may."
severity = 9.8
rank = 1
fixed-in = ["2.0.2"]
changes = ["demo/demo#1"]

[[affected]]
package = "apache-airflow"
versions = ["2.0.0", "2.0.1"]
where = ["demo/jobs.py"]
"""
DIFF = "--- a/demo/jobs.py\n+++ b/demo/jobs.py\n@@ -1 +1 @@\n-a\n+b\n"


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """Two real manifests with series of the test's own, and one record."""
    for version in ("2.0.0", "2.0.2"):
        write_tree(
            tmp_path / "patches" / version, {"release.toml": (ROOT / f"patches/{version}/release.toml").read_bytes()}
        )
        write_tree(tmp_path / "patches" / version, {"series": ""})
    for path in ROOT.glob("patches/*/*/*"):
        write_tree(tmp_path, {path.relative_to(ROOT).as_posix(): path.read_bytes()})
    write_tree(tmp_path, {"advisories/CVE-2021-0001.toml": RECORD})
    return Workspace.at(tmp_path)


def cells(place: Workspace) -> dict[str, dict[str, str]]:
    return {
        row.id or row.patches[0]: {str(version): str(said.status) for version, said in row.statements.items()}
        for row in matrix.load(place).rows
    }


def test_each_version_is_fixed_affected_or_in_upstream(place: Workspace) -> None:
    assert cells(place)["CVE-2021-0001"] == {"2.0.0": "affected", "2.0.1": "affected", "2.0.2": "in upstream"}

    series(place.root / "patches/2.0.0", {"0001-fix.patch": patch(DIFF, CVE="CVE-2021-0001")})

    assert cells(place)["CVE-2021-0001"]["2.0.0"] == "fixed"
    assert matrix.counts(matrix.load(place)).splitlines()[0] == (
        "ten most important: 1 of 2 affected pairs of version and vulnerability are fixed (1 records)"
    )


def test_a_patch_without_a_vulnerability_has_a_row_of_its_own(place: Workspace) -> None:
    series(place.root / "patches/2.0.2", {"0003-fix.patch": patch(DIFF)})
    assert cells(place)["fix"] == {"2.0.0": "unknown", "2.0.1": "unknown", "2.0.2": "fixed"}


def test_a_release_carries_the_patches_of_its_repairs(place: Workspace) -> None:
    text = RECORD.replace("CVE-2021-0001", "CVE-2021-0002").replace('"apache-airflow"', '"celery"')
    write_tree(place.root, {"advisories/CVE-2021-0002.toml": text})
    assert cells(place)["CVE-2021-0002"]["2.0.0"] == "affected"

    folder = place.root / "patches/celery/4.4.7"
    for path in folder.glob("*.patch"):
        path.unlink()
    series(folder, {"0001-fix.patch": patch(DIFF, CVE="CVE-2021-0002")})

    assert cells(place)["CVE-2021-0002"] == {"2.0.0": "fixed", "2.0.1": "affected", "2.0.2": "fixed"}


def test_a_record_without_a_cve_is_fixed_by_who_names_its_change(place: Workspace) -> None:
    text = RECORD.replace("CVE-2021-0001", "AIRFLOW-1")
    write_tree(place.root, {"advisories/AIRFLOW-1.toml": text})
    series(place.root / "patches/2.0.0", {"0001-fix.patch": patch(DIFF, Bug="demo/demo#1")})
    assert cells(place)["AIRFLOW-1"]["2.0.0"] == "fixed"
    series(place.root / "patches/2.0.0", {"0001-fix.patch": patch(DIFF, Bug="demo/demo#12")})
    assert cells(place)["AIRFLOW-1"]["2.0.0"] == "affected"


def test_a_record_of_ours_is_fixed_by_who_names_its_id(place: Workspace) -> None:
    text = RECORD.replace("CVE-2021-0001", "AC-2026-01").replace('["demo/demo#1"]', "[]").replace('["2.0.2"]', "[]")
    write_tree(place.root, {"advisories/AC-2026-01.toml": text})
    series(place.root / "patches/2.0.0", {"0001-fix.patch": patch(DIFF, Bug="none: not reported", CVE="AC-2026-01")})
    assert cells(place)["AC-2026-01"] == {"2.0.0": "fixed", "2.0.1": "affected", "2.0.2": "unknown"}
    assert "fix" not in cells(place)


SOUND = """
[[not-affected]]
package = "apache-airflow"
versions = ["2.0.2", "2.1.0"]
why = "There is no such page."
evidence = ["no demo/page.py", "2.1.0: demo/jobs.py:12", "2.0.2: demo/jobs.py: no page()"]
"""
OPEN = """
[[left-open]]
versions = ["2.0.1"]
why = "A fix would need another library."
"""


def said(place: Workspace, version: str) -> Statement:
    [row] = [row for row in matrix.load(place).rows if row.id == "CVE-2021-0001"]
    return row.statements[Version(version)]


def test_a_version_that_no_record_speaks_of_is_unknown_not_safe(place: Workspace) -> None:
    write_tree(
        place.root, {"advisories/CVE-2021-0001.toml": RECORD.replace('fixed-in = ["2.0.2"]', 'fixed-in = ["9"]')}
    )

    assert said(place, "2.0.2").status is VulnerabilityStatus.UNKNOWN
    assert "all pairs: 3, of which 0 fixed, 0 in upstream, 0 not affected, 2 affected, 1 unknown" in matrix.counts(
        matrix.load(place)
    )
    assert '<span class="status-unknown">unknown</span>' in matrix_page.page(matrix.load(place))


def test_every_status_has_its_reason(place: Workspace) -> None:
    assert said(place, "2.0.2") == Statement(status=VulnerabilityStatus.IN_UPSTREAM, reason="since 2.0.2")
    assert said(place, "2.0.1") == Statement(status=VulnerabilityStatus.AFFECTED, reason="no patch yet")

    write_tree(place.root, {"advisories/CVE-2021-0001.toml": RECORD.replace("2.0.2", "3.0") + SOUND + OPEN})
    series(place.root / "patches/2.0.0", {"0001-fix.patch": patch(DIFF, CVE="CVE-2021-0001")})

    assert said(place, "2.0.1").reason == "A fix would need another library."
    assert said(place, "2.0.0") == Statement(status=VulnerabilityStatus.FIXED, reason="fix", evidence=("test_demo.py",))
    assert said(place, "2.0.2") == Statement(
        status=VulnerabilityStatus.NOT_AFFECTED,
        reason="There is no such page.",
        evidence=("no demo/page.py", "2.0.2: demo/jobs.py: no page()"),
    )


def test_a_record_is_found_by_its_other_names(place: Workspace) -> None:
    assert [row.id for row in matrix.load(place).chosen("ghsa-AAAA-bbbb-cccc").rows] == ["CVE-2021-0001"]


BROKEN = {
    "affected and not": ('versions = ["2.0.0", "2.0.1"]', 'versions = ["2.0.0", "2.1.0"]', "2.1.0 stands elsewhere"),
    "no evidence": ('evidence = ["no demo/page.py", ', 'evidence = ["it is so", ', "not evidence: 'it is so'"),
    "evidence of another": ('"2.1.0: demo', '"2.3.0: demo', "2.3.0 is not one of these versions"),
    "open but not affected": ('["2.0.1"]\nwhy', '["2.2.0"]\nwhy', "2.2.0 is not among the affected ones"),
    "an unknown key": ("severity", "severty", "unknown key, did you mean 'severity'?"),
    "another id": ('"CVE-2021-0001"', '"CVE-2021-0002"', "the file is called CVE-2021-0001.toml"),
    "no id": ('"CVE-2021-0001"', '"2021"', "not an id like CVE-2021-38540"),
    "no change": ("demo/demo#1", "demo", "not a change like apache/airflow#14570"),
    "no version": ('"2.0.1"]', '"two"]', "not a version"),
    "no versions": ('["2.0.0", "2.0.1"]', "[]", "must name at least one"),
    "no name of a package": ('"apache-airflow"', '"Apache Airflow"', "not a normalized project name"),
    "no score": ("9.8", "11", "must be a CVSS base score from 0 to 10"),
    "no summary": ('summary = "Anybody may."', "", "summary: missing"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_record_that_is_broken_is_refused_with_the_line(place: Workspace, case: str) -> None:
    old, new, words = BROKEN[case]
    write_tree(place.root, {"advisories/CVE-2021-0001.toml": (RECORD + SOUND + OPEN).replace(old, new, 1)})
    with pytest.raises(ManifestError) as refused:
        records.load(place)
    assert words in str(refused.value)
    assert "line " in str(refused.value)


def test_the_verb_shows_table_json_and_count(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-C", str(place.root), "patch", "list"]
    assert main.main([*words, "--cve", "CVE-2021-0001"]) == 0
    head, row, *_ = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["vulnerability", "2.0.0", "2.0.1", "2.0.2", "patch"]
    assert row.split()[:4] == ["CVE-2021-0001", "NO", "NO", "up"]
    assert main.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["states"]["2.0.2"] == "in upstream"
    assert main.main([*words, "--count"]) == 0
    assert "0 of 2 affected pairs" in capsys.readouterr().out
    assert main.main([*words, "--cve", "CVE-1999-0001"]) == 2


def test_the_patches_of_one_series_come_as_json_too(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    series(place.root / "patches/2.0.0", {"0001-fix.patch": patch(DIFF, CVE="CVE-2021-0001")})
    words = ["-C", str(place.root), "patch", "list"]
    assert main.main([*words, "2.0.0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "series": "2.0.0", "patch": "0001-fix.patch", "summary": "Fix the demo", "cves": ["CVE-2021-0001"],
            "change": "demo#1", "proofs": ["test_demo.py"],
        }
    ]  # fmt: skip
    assert [main.main([*words, "2.0.0", *more]) for more in (["--count"], ["--page"], ["--cve", "all"])] == [2, 2, 2]
    assert main.main([*words, "--cve", "cve-2021-0001"]) == 0


def test_a_draft_beside_the_releases_is_left_out(place: Workspace) -> None:
    write_tree(place.root / "patches/draft", {"release.toml": (place.root / "patches/2.0.2/release.toml").read_bytes()})
    assert [str(version) for version in matrix.load(place).versions] == ["2.0.0", "2.0.1", "2.0.2"]


def test_a_reader_who_has_enough_ends_the_listing_quietly(place: Workspace) -> None:
    argv = [sys.executable, "-m", "astronomer_certified.commands.main", "-C", str(place.root), "patch", "list"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


# --- this project's own


def test_the_records_of_the_ten_most_important_are_complete() -> None:
    ranked = [item for item in records.load(Workspace.at(ROOT)) if item.rank]
    assert {item.rank for item in ranked} == set(range(1, 11))
    assert (len(ranked), sum(len(item.versions) for item in ranked)) == (24, 136)


def test_the_page_of_the_matrix_is_current() -> None:
    made = matrix_page.page(matrix.load(Workspace.at(ROOT)))
    assert (ROOT / "docs/carry-matrix.md").read_text() == made, "certified patch list --page > docs/carry-matrix.md"


def test_the_page_of_the_ledger_is_current() -> None:
    place = Workspace.at(ROOT)
    made = matrix_page.ledger(matrix.load(place), ledger.load(place))
    assert (ROOT / "docs/ledger.md").read_text() == made, "certified patch list --ledger > docs/ledger.md"
