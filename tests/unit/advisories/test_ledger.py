"""The ledger: records of bugs, what each version says of them, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import ROOT, patch, series, write_tree
from packaging.version import Version

from astronomer_certified.advisories import ledger, matrix, matrix_page
from astronomer_certified.advisories.matrix import Kind
from astronomer_certified.advisories.status import VulnerabilityStatus
from astronomer_certified.commands import main
from astronomer_certified.errors import ManifestError
from astronomer_certified.workspace import Workspace

RECORD = """\
id = "airflow-1"
summary = "The scheduler ends."
component = "scheduler"
shows = "KeyError | in the log"
since = "1.10"
reports = ["apache/airflow#7", "apache/airflow#8"]
fixed-in = ["2.1.0"]
changes = ["apache/airflow#1"]
fixed-again-by = ["apache/airflow#3"]
carried = ["2.0.0-4"]

[[affected]]
versions = ["2.0.0", "2.0.1"]
evidence = ["demo/jobs.py: has loop()", "2.0.1: demo/jobs.py:3"]

[[not-affected]]
versions = ["2.0.2"]
why = "There is no loop."
evidence = ["demo/jobs.py: no loop()"]

[[left-open]]
versions = ["2.0.1"]
why = "Nobody runs it."
"""
DIFF = "--- a/demo/jobs.py\n+++ b/demo/jobs.py\n@@ -1 +1 @@\n-a\n+b\n"


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """Two real manifests with series of the test's own, and one record."""
    for version in ("2.0.0", "2.0.2"):
        manifest = (ROOT / f"patches/{version}/release.toml").read_bytes()
        write_tree(tmp_path / "patches" / version, {"release.toml": manifest, "series": ""})
    for path in ROOT.glob("patches/*/*/*"):
        write_tree(tmp_path, {path.relative_to(ROOT).as_posix(): path.read_bytes()})
    write_tree(tmp_path, {"maintenance/airflow-1.toml": RECORD})
    return Workspace.at(tmp_path)


def cells(place: Workspace) -> dict[str, str]:
    [row] = matrix.load(place).of(Kind.BUG)
    return {str(version): str(said.status) for version, said in row.statements.items()}


def test_each_version_says_one_of_five_words_of_a_bug(place: Workspace) -> None:
    assert cells(place) == {"2.0.0": "affected", "2.0.1": "affected", "2.0.2": "not affected"}
    [row] = matrix.load(place).of(Kind.BUG)
    assert row.statements[Version("2.0.1")].reason == "Nobody runs it."


@pytest.mark.parametrize("named", ["apache/airflow#1", "apache/airflow#2, apache/airflow#1", "airflow-1"])
def test_a_bug_is_fixed_by_the_patch_whose_field_names_it(place: Workspace, named: str) -> None:
    series(place.root / "patches/2.0.0", {"0001-fix.patch": patch(DIFF, Bug=named)})
    assert cells(place)["2.0.0"] == "fixed"


@pytest.mark.parametrize("fields", [{"Bug": "apache/airflow#12"}, {"Bug": "none: ours", "Origin": "apache/airflow#1"}])
def test_a_bug_is_not_fixed_by_what_only_resembles_it(place: Workspace, fields: dict[str, str]) -> None:
    series(place.root / "patches/2.0.0", {"0001-fix.patch": patch(DIFF, **fields)})
    assert cells(place)["2.0.0"] == "affected"


def test_pairs_of_bugs_are_counted_beside_those_of_vulnerabilities(place: Workspace) -> None:
    series(place.root / "patches/2.0.0", {"0001-fix.patch": patch(DIFF, Bug="airflow-1")})
    counted = matrix.counts(matrix.load(place)).splitlines()
    assert counted[1] == "all records: 0 of 0 affected pairs of version and vulnerability are fixed (0 records)"
    assert counted[3:] == [
        "bugs: 1 of 2 affected pairs of version and bug are fixed (1 records)",
        "all pairs of bugs: 3, of which 1 fixed, 0 in upstream, 1 not affected, 1 affected, 0 unknown",
    ]


def test_a_version_that_no_record_speaks_of_is_unknown(place: Workspace) -> None:
    text = RECORD.replace('versions = ["2.0.2"]', 'versions = ["1.10.15"]')
    write_tree(place.root, {"maintenance/airflow-1.toml": text})
    [row] = matrix.load(place).of(Kind.BUG)
    assert row.statements[Version("2.0.2")].status is VulnerabilityStatus.UNKNOWN


def test_the_page_has_what_is_behind_each_bug_by_component_and_version(place: Workspace) -> None:
    page = matrix_page.ledger(matrix.load(place), ledger.load(place))
    assert "| 2.0.0 | 0 | 0 | 0 | 1 | 0 |" in page
    assert "## Scheduler\n" in page
    assert "## Api" not in page
    assert "KeyError / in the log" in page
    assert "Fixed again by apache/airflow#3. Reported 2 times: apache/airflow#7, apache/airflow#8." in page
    assert "Earlier releases with it: 2.0.0-4." in page


def test_the_verb_shows_bugs_by_id_and_all_of_them(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-C", str(place.root), "patch", "list"]
    for chosen in ("airflow-1", "bugs"):
        assert main.main([*words, "--cve", chosen]) == 0
        assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["airflow-1", "NO", "NO", "."]
    assert main.main([*words, "--ledger"]) == 0
    assert "# The ledger of bug fixes" in capsys.readouterr().out
    assert main.main([*words, "2.0.0", "--ledger"]) == 2


BROKEN = {
    "an unknown key": ("shows", "show", "unknown key, did you mean 'shows'?"),
    "a key of advisories": ('why = "There', 'package = "x"\nwhy = "There', "package: unknown key"),
    "another id": ('"airflow-1"', '"airflow-2"', "the file is called airflow-1.toml"),
    "no id": ('"airflow-1"', '"1"', "not an id like airflow-16326 or AC-BUG-01"),
    "no component": ('"scheduler"', '"heart"', "not a component: 'heart'; there are scheduler, executors"),
    "no release": ('"2.0.0-4"', '"2.0.0"', "not a release like 2.1.0-4"),
    "no change": ('["apache/airflow#3"]', '["3"]', "not a change like"),
    "no evidence of a fault": (
        'evidence = ["demo/jobs.py: has loop()", "2.0.1: ',
        'evidence = ["2.0.1: ',
        "none for 2.0.0",
    ),
    "evidence of another": ('"2.0.1: demo', '"2.1.0: demo', "2.1.0 is not one of these versions"),
    "affected and not": ('versions = ["2.0.2"]', 'versions = ["2.0.0"]', "2.0.0 stands elsewhere"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_record_that_is_broken_is_refused_with_the_line(place: Workspace, case: str) -> None:
    old, new, words = BROKEN[case]
    write_tree(place.root, {"maintenance/airflow-1.toml": RECORD.replace(old, new, 1)})
    with pytest.raises(ManifestError) as refused:
        ledger.load(place)
    assert words in str(refused.value)
    assert "line " in str(refused.value)
    assert "docs/maintenance.md" in (refused.value.hint or "")
