"""lint: a table of what is wrong with a patch, each case a patch that is right but for that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from factories import ROOT, diff_of, patch, series, write_tree
from packaging.version import Version
from workbench_fixtures import add, project

from astronomer_certified.advisories import ledger
from astronomer_certified.artifacts import Distribution
from astronomer_certified.errors import SeriesError
from astronomer_certified.patches.series import parse
from astronomer_certified.project import catalogue
from astronomer_certified.workbench import evidence, lint, sources
from astronomer_certified.workspace import Workspace

TEXT = "".join(f"line {number}\n" for number in range(1, 21))
FILES: dict[str, str | bytes] = {"setup.py": "version = '1.0'\n", "demo/jobs.py": TEXT, "demo/dos.txt": "a\r\nb\r\n"}
FIX = {"demo/jobs.py": TEXT.replace("line 3\n", "LINE 3\n")}
NAME = "0001-fix-the-demo.patch"


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    made = project(tmp_path / "project")
    (made.proofs / "test_demo.py").write_text("")
    return made


@pytest.fixture
def demo(place: Workspace) -> Distribution:
    return add(place, "1.0", FILES)


def diff(tmp_path: Path, *states: Mapping[str, str | bytes | None]) -> list[bytes]:
    """The diffs between the source, and what each of these makes of what was before it."""
    made, before = [], dict(FILES)
    for number, state in enumerate(states):
        after = {name: content for name, content in {**before, **state}.items() if content is not None}
        made.append(diff_of(before, after, tmp_path / f"diff-{number}"))
        before = after
    return made


def complaints(place: Workspace, demo: Distribution, patches: Mapping[str, bytes]) -> str:
    series(demo.folder, patches)
    with pytest.raises(SeriesError) as found:
        lint.lint(place, [demo])
    return str(found.value)


def test_a_right_patch_is_let_through(place: Workspace, demo: Distribution, tmp_path: Path) -> None:
    series(demo.folder, {NAME: patch(diff(tmp_path, FIX)[0])})
    assert lint.lint(place, [demo]) == "1 patches of 1 series: nothing to complain about"


FIELDS: dict[str, tuple[dict[str, str | None], str]] = {
    "no author": ({"Author": None}, "missing: Author"),
    "two authors": ({"Author": "A B <a@x.org>, C D <c@x.org>"}, "Author must be one person, like Name <address>"),
    "no reference": ({"Bug": None}, "missing: Bug or Applied-Upstream"),
    "no proof": ({"Proof": None}, "missing: Proof"),
    "no reason": ({"Proof": "none:"}, "missing: a reason after"),
    "a proof that is not there": ({"Proof": "test_other.py"}, "the proof test_other.py is not in patches/proofs"),
    "no CVE id": ({"CVE": "CVE-21-1"}, "missing: a CVE id"),
    "one bad CVE id of two": ({"CVE": "CVE-2021-0001, 2021-0002"}, "not a CVE id: '2021-0002'"),
    "one bad id of ours": ({"CVE": "AC-2026-01, AC-26-1"}, "not a CVE id: 'AC-26-1', nor one of ours like AC-2026-01"),
    "a day that is none": ({"Last-Update": "yesterday"}, "Last-Update must be a day like 2026-11-22"),
    "a misspelt field": ({"Prof": "test_demo.py"}, "unknown field 'Prof', did you mean 'Proof'?"),
    "a dependency that is not there": ({"Depends": "other"}, "Depends names 'other', which is not before it"),
}


@pytest.mark.parametrize("case", FIELDS)
def test_a_header_that_is_wrong(place: Workspace, demo: Distribution, tmp_path: Path, case: str) -> None:
    fields, words = FIELDS[case]
    assert words in complaints(place, demo, {NAME: patch(diff(tmp_path, FIX)[0], **fields)})


CHANGES: dict[str, tuple[dict[str, str | bytes | None], str]] = {
    "blanks at the end": ({"demo/jobs.py": TEXT.replace("line 3\n", "line 3 \n")}, "adds blanks at the end of a line"),
    "a tab after blanks": ({"demo/jobs.py": TEXT.replace("line 3\n", "  \tx\n")}, "adds a tab after blanks"),
    "an empty line at the end": ({"demo/jobs.py": TEXT + "\n"}, "adds an empty line at the end of the file"),
    "a CRLF line": ({"demo/jobs.py": TEXT.replace("line 3\n", "x\r\n")}, "adds a CRLF line to an LF file"),
    "an LF line": ({"demo/dos.txt": "a\r\nB\n"}, "adds an LF line to a CRLF file"),
    "a file that goes": ({"demo/jobs.py": None}, "deletes demo/jobs.py, which its description does not name"),
    "a renamed file": ({"demo/jobs.py": None, "demo/moved.py": TEXT}, "renames demo/jobs.py to demo/moved.py"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_that_is_wrong(place: Workspace, demo: Distribution, tmp_path: Path, case: str) -> None:
    change, words = CHANGES[case]
    assert words in complaints(place, demo, {NAME: patch(diff(tmp_path, change)[0])})


def test_a_file_that_goes_may_go_when_the_description_names_it(
    place: Workspace, demo: Distribution, tmp_path: Path
) -> None:
    made = patch(diff(tmp_path, {"demo/jobs.py": None})[0], Description="Drop jobs.py\n Nobody needs it.")
    series(demo.folder, {NAME: made})
    lint.lint(place, [demo])


def test_an_offset_is_a_complaint(place: Workspace, demo: Distribution, tmp_path: Path) -> None:
    made = patch(diff(tmp_path, FIX)[0].replace(b"@@ -1,6 +1,6 @@", b"@@ -1,6 +1,6 @@"))
    moved = made.replace(b"@@ -1,6", b"@@ -2,6")
    assert moved != made
    assert "export it again" in complaints(place, demo, {NAME: moved})


def test_a_patch_that_does_not_apply_is_a_complaint(place: Workspace, demo: Distribution, tmp_path: Path) -> None:
    made = patch(diff(tmp_path, FIX)[0].replace(b" line 2", b" line 0"))
    assert f"{NAME} does not apply to demo==1.0: demo/jobs.py, hunk 1" in complaints(place, demo, {NAME: made})


def test_a_patch_that_needs_another_says_so(place: Workspace, demo: Distribution, tmp_path: Path) -> None:
    middle = {"demo/jobs.py": str(FIX["demo/jobs.py"]).replace("line 18\n", "LINE 18\n")}
    last = {"demo/jobs.py": middle["demo/jobs.py"].replace("LINE 3\n", "Line 3\n")}
    first, second, third = diff(tmp_path, FIX, middle, last)
    patches = {"0001-a.patch": patch(first, Description="A"), "0002-b.patch": patch(second, Description="B")}

    said = complaints(place, demo, {**patches, "0003-c.patch": patch(third, Description="C")})
    assert said.splitlines()[1] == "  demo==1.0: 0003-c.patch: needs others before it; say so: Depends: a"
    assert len(said.splitlines()) == 3
    series(demo.folder, {**patches, "0003-c.patch": patch(third, Description="C", Depends="a")})
    lint.lint(place, [demo])


def test_two_patches_of_one_name_are_a_complaint(place: Workspace, demo: Distribution, tmp_path: Path) -> None:
    first, second = diff(tmp_path, FIX, {"demo/new.py": "x\n"})
    said = complaints(place, demo, {"0001-a.patch": patch(first), "0002-a.patch": patch(second)})
    assert "a: two patches have this name" in said


def test_a_file_name_of_another_kind_is_a_complaint(place: Workspace, demo: Distribution, tmp_path: Path) -> None:
    said = complaints(place, demo, {"fix.patch": patch(diff(tmp_path, FIX)[0])})
    assert "fix.patch: the file should be called like 0001-fix-the-demo.patch" in said


def test_problems_of_several_series_come_together(place: Workspace, tmp_path: Path) -> None:
    items = [add(place, version, FILES) for version in ("1.0", "1.1")]
    for item in items:
        series(item.folder, {NAME: patch(diff(tmp_path / str(item.release.upstream), FIX)[0], Proof="test_other.py")})
    with pytest.raises(SeriesError, match="2 problems in 2 patches"):
        lint.lint(place, items)


def test_this_projects_series_are_all_found() -> None:
    titles = [catalogue.title(item) for item in catalogue.everything(Workspace.at(ROOT))]
    assert {"2.0.0", "2.1.0", "apache-airflow-providers-mysql==1.1.0"} <= set(titles)


# --- what patches and sources say, against the records of bugs

BUG = """\
id = "airflow-1"
summary = "The scheduler ends."
component = "scheduler"
fixed-in = []
changes = ["apache/airflow#1"]
fixed-again-by = ["apache/airflow#2"]

[[affected]]
versions = ["1.0"]
evidence = ["demo/jobs.py: has line 3", "demo/jobs.py: no line 30"]

[[not-affected]]
versions = ["2.0"]
why = "There is no such line."
evidence = ["demo/jobs.py: no line 3"]
"""
NAMED = {
    "the change": ("apache/airflow#1", "1.0", []),
    "the id": ("airflow-1", "1.0", []),
    "what mends the change, too": ("apache/airflow#1, apache/airflow#2", "1.0", []),
    "nothing that has a number": ("none: nobody has reported it", "1.0", []),
    "another change": ("apache/airflow#12", "1.0", ["Bug: apache/airflow#12 belongs to no record"]),
    "another id": ("AC-BUG-01", "1.0", ["Bug: AC-BUG-01 belongs to no record"]),
    "a change of a version that is sound": (
        "airflow-1",
        "2.0",
        ["airflow-1.toml does not name 2.0 among the affected"],
    ),
}


@pytest.mark.parametrize("case", NAMED)
def test_the_bug_of_a_patch_belongs_to_a_record(place: Workspace, tmp_path: Path, case: str) -> None:
    named, version, words = NAMED[case]
    write_tree(place.root, {"maintenance/airflow-1.toml": BUG})
    made = parse(tmp_path / NAME, patch(diff(tmp_path, FIX)[0], Bug=named))

    found = list(lint.unrecorded(ledger.load(place), made, Version(version)))

    assert len(found) == len(words)
    assert all(some in said for some, said in zip(words, found, strict=True))


EVIDENCE = {
    "all is true": ("", "", []),
    "words that are not there": (
        "has line 3",
        "has line 30",
        ["evidence 'demo/jobs.py: has line 30': it has no 'line 30'"],
    ),
    "words that are there": ("no line 30", "no line 20", ["evidence 'demo/jobs.py: no line 20': it has 'line 20'"]),
    "a file that is not there": ("demo/jobs.py: has", "demo/job.py: has", ["demo/job.py is not in the source"]),
}


@pytest.mark.parametrize("case", EVIDENCE)
def test_what_shows_a_bug_is_looked_up_in_the_source(place: Workspace, demo: Distribution, case: str) -> None:
    old, new, words = EVIDENCE[case]
    write_tree(place.root, {"maintenance/airflow-1.toml": BUG.replace(old, new, 1) if old else BUG})

    found = list(evidence.problems(ledger.load(place), Version("1.0"), sources.imported(place, demo)))

    assert len(found) == len(words)
    assert all(some in said for some, said in zip(words, found, strict=True))
    assert all(said.startswith("maintenance/airflow-1.toml, ") for said in found)
