"""A series is read whole, applies to the letter or not at all, and says exactly why not."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from factories import FIELDS, diff_of, distribution, patch, sdist, series, tree, upstream_file, wheel, write_tree

from astronomer_certified.artifacts import Stamp
from astronomer_certified.errors import SeriesError
from astronomer_certified.patches import application
from astronomer_certified.patches import series as stage

SETUP = "from setuptools import setup\nversion = '1.0'\nsetup(name='demo', version=version)\n"
JOBS = "".join(f"line {number}\n" for number in range(1, 13))
FILES: dict[str, str | bytes] = {"setup.py": SETUP, "demo/jobs.py": JOBS, "demo/__init__.py": ""}

FIX = "--- a/demo/jobs.py\n+++ b/demo/jobs.py\n@@ -2,3 +2,3 @@\n line 2\n-line 3\n+LINE 3\n line 4\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return sdist(tmp_path / "demo-1.0.tar.gz", FILES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "patches" / "demo" / "1.0"


def applied(source: Path, folder: Path, patches: dict[str, bytes]) -> dict[str, bytes]:
    """The tree that a series makes of a source."""
    target = source.parent / "tree"
    made = application.apply(distribution(), upstream_file(source), stage.read(series(folder, patches)), target)
    return tree(made.path)


def refusal(
    source: Path, folder: Path, patches: dict[str, bytes], files: Mapping[str, str | bytes] | None = None
) -> str:
    """How a series is refused; fails if that leaves anything behind or changes the tree of an earlier run."""
    source = sdist(source, {**FILES, **(files or {})})
    target = write_tree(source.parent / "work" / "tree", {"demo-1.0/from-before": "stays\n"})
    with pytest.raises(SeriesError) as caught:
        application.apply(distribution(), upstream_file(source), stage.read(series(folder, patches)), target)
    assert tree(source.parent / "work") == {"tree/demo-1.0/from-before": b"stays\n"}
    assert [path.name for path in (source.parent / "work").iterdir()] == ["tree"]
    return str(caught.value)


# --- what applies


def test_a_series_is_applied_in_order_and_the_version_is_stamped(source: Path, folder: Path, tmp_path: Path) -> None:
    first = patch(FIX)
    second = patch(
        "--- a/demo/jobs.py\n+++ b/demo/jobs.py\n@@ -2,3 +2,4 @@\n line 2\n-LINE 3\n+Line 3\n+Line 3a\n line 4\n"
    )
    patches = stage.read(series(folder, {"z-first.patch": first, "a-second.patch": second}))
    made = application.apply(distribution(), upstream_file(source), patches, tmp_path / "tree")
    assert made.applied == ("z-first.patch", "a-second.patch")
    assert made.touched == frozenset({"demo/jobs.py"})
    assert made.offsets == ()
    assert tree(made.path) == {
        "setup.py": SETUP.replace("'1.0'", "'1.0+astro.1'").encode(),
        "demo/jobs.py": JOBS.replace("line 3\n", "Line 3\nLine 3a\n").encode(),
        "demo/__init__.py": b"",
    }


def test_patches_build_upon_what_the_ones_before_them_made(source: Path, folder: Path, tmp_path: Path) -> None:
    states = [
        {"demo/jobs.py": JOBS},
        {"demo/jobs.py": JOBS, "demo/new.py": "a\nb\n"},
        {"demo/jobs.py": JOBS, "demo/moved.py": "a\nB\n"},
        {"demo/jobs.py": JOBS, "demo/moved.py": "a\nB\nc\n"},
        {},
    ]
    patches = {
        f"{number}.patch": patch(diff_of(before, after, tmp_path / str(number), "--find-renames=30%"))
        for number, (before, after) in enumerate(pairwise(states))
    }
    assert b"rename to demo/moved.py" in patches["1.patch"]
    assert set(applied(source, folder, dict(list(patches.items())[:3]))) == {*FILES, "demo/moved.py"}
    assert applied(source, folder, patches).keys() == {"setup.py", "demo/__init__.py"}


def test_new_empty_deleted_and_executable_files(source: Path, folder: Path, tmp_path: Path) -> None:
    diff = (
        "diff --git a/demo/sub/__init__.py b/demo/sub/__init__.py\nnew file mode 100644\nindex 000..e69\n"
        "diff --git a/demo/__init__.py b/demo/__init__.py\ndeleted file mode 100644\nindex e69..000\n"
        "diff --git a/demo/jobs.py b/demo/jobs.py\nold mode 100644\nnew mode 100755\n"
        "diff --git a/run b/run\nnew file mode 100755\n--- /dev/null\n+++ b/run\n@@ -0,0 +1 @@\n+#!/bin/sh\n"
    )
    made = applied(source, folder, {"a.patch": patch(diff)})
    assert made.keys() == {"setup.py", "demo/sub/__init__.py", "demo/jobs.py", "run"}
    modes = {name: (tmp_path / "tree/demo-1.0" / name).stat().st_mode & 0o777 for name in made}
    assert modes == {"setup.py": 0o644, "demo/sub/__init__.py": 0o644, "demo/jobs.py": 0o755, "run": 0o755}


def test_a_crlf_file_stays_one(source: Path, folder: Path, tmp_path: Path) -> None:
    dos = {"setup.py": SETUP.replace("\n", "\r\n"), "dos.txt": "a\r\nb\r\nc\r\n"}
    sdist(source, dos)
    diff = diff_of({"dos.txt": dos["dos.txt"]}, {"dos.txt": "a\r\nB\r\nc\r\n"}, tmp_path)
    made = applied(source, folder, {"a.patch": patch(diff)})
    assert made["dos.txt"] == b"a\r\nB\r\nc\r\n"
    assert made["setup.py"] == dos["setup.py"].replace("'1.0'", "'1.0+astro.1'").encode()


def test_an_offset_is_reported(source: Path, folder: Path, tmp_path: Path) -> None:
    sdist(source, {**FILES, "demo/jobs.py": "new\nnew\n" + JOBS})
    made = application.apply(
        distribution(), upstream_file(source), stage.read(series(folder, {"a.patch": patch(FIX)})), tmp_path / "tree"
    )
    assert [str(offset) for offset in made.offsets] == ["a.patch: demo/jobs.py, hunk 1 applies at line 4, not 2"]


def test_no_series_at_all_is_the_source_with_another_version(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    assert stage.read(folder) == ()
    assert applied(source, folder, {}).keys() == FILES.keys()


def test_a_wheel_is_a_source_as_well(folder: Path, tmp_path: Path) -> None:
    source = wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo/jobs.py": JOBS})
    patches = stage.read(series(folder, {"a.patch": patch(FIX)}))
    repaired = distribution(kind="wheel", stamp=None)
    made = application.apply(repaired, upstream_file(source), patches, tmp_path / "tree")
    assert made.path == tmp_path / "tree"
    assert (made.path / "demo/jobs.py").read_text() == JOBS.replace("line 3", "LINE 3")


def test_the_tree_of_an_earlier_run_is_replaced(source: Path, folder: Path, tmp_path: Path) -> None:
    write_tree(tmp_path / "tree" / "demo-1.0", {"from-before": "goes\n"})
    assert "from-before" not in applied(source, folder, {"a.patch": patch(FIX)})


def test_nothing_but_the_series_touches_the_tree(source: Path, folder: Path) -> None:
    made = applied(source, folder, {"a.patch": patch(FIX)})
    assert made.keys() == FILES.keys()  # no .orig, no .rej, no .pc


# --- what does not apply


def test_a_hunk_that_does_not_apply_is_named_with_both_texts(source: Path, folder: Path) -> None:
    moved_on = {"demo/jobs.py": JOBS.replace("line 3\n", "line three\n")}
    assert refusal(source, folder, {"0001-fix.patch": patch(FIX)}, moved_on) == (
        "0001-fix.patch does not apply to demo 1.0\n"
        "  demo/jobs.py, hunk 1 at line 3: text differs\n"
        "  expected 'line 3\\n'\n"
        "  found    'line three\\n'\n"
        "  hint: rebase the patch on the source as it is now; its context must match letter for letter"
    )


def test_a_line_that_is_not_there_any_more_is_the_end_of_the_file(source: Path, folder: Path) -> None:
    message = refusal(source, folder, {"0001-fix.patch": patch(FIX)}, {"demo/jobs.py": "line 1\nline 2\n"})
    assert "expected 'line 3\\n'\n  found    the end of the file\n" in message


def test_the_second_patch_fails_and_the_first_leaves_no_trace(source: Path, folder: Path) -> None:
    new = patch("--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+a\n")
    message = refusal(source, folder, {"1.patch": new, "2.patch": patch(FIX), "3.patch": patch(FIX)})
    assert message.startswith("3.patch does not apply to demo 1.0\n  demo/jobs.py, hunk 1 at line 3: text differs\n")


REFUSED = {
    "a file that is not there": (
        FIX.replace("demo/jobs.py", "demo/gone.py"),
        "demo/gone.py: no such file in the source",
    ),
    "a new file that is there already": (
        "--- /dev/null\n+++ b/demo/jobs.py\n@@ -0,0 +1 @@\n+a\n",
        "demo/jobs.py: the patch makes this file, but it is there already",
    ),
    "a deletion that leaves something": (
        "diff --git a/demo/jobs.py b/demo/jobs.py\ndeleted file mode 100644\n",
        "demo/jobs.py: the patch deletes this file, but 12 lines are left over",
    ),
    "a rename to what is there": (
        "diff --git a/demo/jobs.py b/setup.py\nrename from demo/jobs.py\nrename to setup.py\n",
        "setup.py: the patch renames demo/jobs.py to it, but it is there already",
    ),
    "a new file in the place of a folder": (
        "--- /dev/null\n+++ b/demo\n@@ -0,0 +1 @@\n+a\n",
        "demo: the patch makes this file, but a folder is there",
    ),
    "a rename to below a file": (
        "diff --git a/demo/jobs.py b/setup.py/a\nrename from demo/jobs.py\nrename to setup.py/a\n",
        "setup.py/a: the patch renames demo/jobs.py to it, but setup.py is no folder",
    ),
    "a new file below a file": (
        "--- /dev/null\n+++ b/setup.py/a\n@@ -0,0 +1 @@\n+a\n",
        "setup.py/a: the patch makes this file, but setup.py is no folder",
    ),
}


def test_a_folder_may_take_the_name_of_a_file_that_is_gone(source: Path, folder: Path) -> None:
    new = "--- /dev/null\n+++ b/demo/jobs.py/__init__.py\n@@ -0,0 +1 @@\n+a\n"
    removal = "--- a/demo/jobs.py\n+++ /dev/null\n@@ -1,12 +0,0 @@\n"
    removal += "".join(f"-{line}\n" for line in JOBS.splitlines())
    assert (
        applied(source, folder, {"a.patch": patch(removal), "b.patch": patch(new)})["demo/jobs.py/__init__.py"]
        == b"a\n"
    )


def test_a_file_may_take_the_name_of_a_folder_that_goes_with_its_files(source: Path, folder: Path) -> None:
    new = "--- /dev/null\n+++ b/demo\n@@ -0,0 +1 @@\n+a\n"
    removal = "--- a/demo/jobs.py\n+++ /dev/null\n@@ -1,12 +0,0 @@\n"
    removal += "".join(f"-{line}\n" for line in JOBS.splitlines())
    rest = "diff --git a/demo/__init__.py b/demo/__init__.py\ndeleted file mode 100644\n"
    assert refusal(source, folder, {"a.patch": patch(new + removal)}).splitlines()[1].endswith("but a folder is there")
    assert applied(source, folder, {"a.patch": patch(new + removal + rest)})["demo"] == b"a\n"


@pytest.mark.parametrize(("diff", "why"), REFUSED.values(), ids=REFUSED)
def test_a_patch_that_does_not_fit_is_refused(source: Path, folder: Path, diff: str, why: str) -> None:
    assert refusal(source, folder, {"a.patch": patch(diff)}).splitlines()[:2] == [
        "a.patch does not apply to demo 1.0",
        f"  {why}",
    ]


@pytest.mark.parametrize(
    ("setup", "count"),
    [("version = '1.1'\n", 0), ("# version = '1.0'\n", 0), (SETUP + "version = '1.0'\n", 2)],
    ids=["another version", "only in a comment", "twice"],
)
def test_a_version_that_cannot_be_stamped_once_is_refused(source: Path, folder: Path, setup: str, count: int) -> None:
    message = refusal(source, folder, {"a.patch": patch(FIX)}, {"setup.py": setup})
    assert "the version of demo 1.0 cannot be stamped" in message
    assert f"setup.py: the line \"version = '1.0'\" occurs {count} times, not once" in message


def test_a_stamp_in_a_file_that_is_not_there_is_refused(source: Path, folder: Path, tmp_path: Path) -> None:
    elsewhere = distribution(stamp=Stamp(file="demo/version.py", line="version = '1.0'"))
    with pytest.raises(SeriesError, match="cannot be stamped"):
        application.apply(elsewhere, upstream_file(source), (), tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_a_stamp_in_a_file_that_is_no_utf_8_is_refused(source: Path, folder: Path) -> None:
    message = refusal(source, folder, {"a.patch": patch(FIX)}, {"setup.py": b"# \xff\nversion = '1.0'\n"})
    assert "setup.py: not UTF-8" in message


# --- the series file


def names(folder: Path, listed: str, *files: str) -> tuple[str, ...]:
    write_tree(folder, dict.fromkeys(files, ""))
    (folder / "series").write_text(listed)
    return stage.names(folder)


def test_comments_and_blank_lines_of_quilt_are_left_out(folder: Path) -> None:
    listed = "# first\n\na.patch\n  # more\nb.patch -p1\nc.patch # why\n"
    assert names(folder, listed, "a.patch", "b.patch", "c.patch") == ("a.patch", "b.patch", "c.patch")


def test_a_file_may_have_no_newline_at_its_end(folder: Path) -> None:
    assert names(folder, "a.patch", "a.patch") == ("a.patch",)


BAD_SERIES = {
    "a patch that is not there": ("a.patch\nb.patch\n", ["line 2: b.patch is listed, but there is no such file"]),
    "a patch that is not listed": ("# nothing\n", ["a.patch is not in the series"]),
    "a patch that is listed twice": ("a.patch\na.patch\n", ["line 2: a.patch is listed twice"]),
    "another strip level": ("a.patch -p0\n", ["line 1: options '-p0': only -p1 is known"]),
    "fuzz": ("a.patch -p1 -F3\n", ["line 1: options '-p1 -F3': only -p1 is known"]),
    "reversal": ("a.patch -R\n", ["line 1: options '-R': only -p1 is known"]),
    "a patch of another folder": (
        "a.patch\n../a.patch\n",
        ["line 2: ../a.patch is listed, but there is no such file"],
    ),
    "everything at once": (
        "b.patch -R\nb.patch\n",
        [
            "line 1: options '-R': only -p1 is known",
            "line 1: b.patch is listed, but there is no such file",
            "line 2: b.patch is listed twice",
            "a.patch is not in the series",
        ],
    ),
}


@pytest.mark.parametrize(("listed", "problems"), BAD_SERIES.values(), ids=BAD_SERIES)
def test_a_series_that_does_not_match_its_folder_is_refused(folder: Path, listed: str, problems: list[str]) -> None:
    with pytest.raises(SeriesError) as caught:
        names(folder, listed, "a.patch", "../a.patch")
    assert caught.value.what == f"{folder}/series: the series does not match its folder"
    assert list(caught.value.details) == problems


def test_a_series_that_is_no_utf_8_is_refused(folder: Path) -> None:
    write_tree(folder, {"series": b"\xff.patch\n"})
    with pytest.raises(SeriesError, match=r"series: not UTF-8"):
        stage.names(folder)


# --- the patches' headers


def read(folder: Path, content: bytes) -> stage.Patch:
    (only,) = stage.read(series(folder, {"a.patch": content}))
    return only


def test_a_header_is_read_field_by_field(folder: Path) -> None:
    cves = "CVE-2021-35936, CVE-2021-38540"
    made = read(folder, patch(FIX, Description="Fix it\n More.\n .\n Paragraph.", CVE=cves, Applied_Upstream="2.1.3"))
    assert made.subject == "Fix it"
    assert made.cves == ("CVE-2021-35936", "CVE-2021-38540")
    assert made.proofs == ("test_demo.py",)
    assert made.touched == {"demo/jobs.py"}
    assert made.fields["Applied-Upstream"] == "2.1.3"


def test_a_patch_without_a_proof_says_why(folder: Path) -> None:
    assert read(folder, patch(FIX, Proof="none: metadata only")).proofs == ()


def test_a_patch_that_fixes_several_names_a_proof_for_each(folder: Path) -> None:
    assert read(folder, patch(FIX, Proof="test_a.py, test_b.py,\n test_c.py")).proofs == (
        "test_a.py",
        "test_b.py",
        "test_c.py",
    )
    with pytest.raises(SeriesError, match="missing: Proof"):
        read(folder, patch(FIX, Proof="test_a.py, by hand"))


def test_everything_that_a_header_lacks_is_named_at_once(folder: Path) -> None:
    with pytest.raises(SeriesError) as caught:
        read(folder, FIX.encode())
    assert str(caught.value) == (
        f"{folder}/a.patch: incomplete DEP-3 header\n"
        "  missing: Description\n"
        "  missing: Author\n"
        "  missing: Origin\n"
        "  missing: Last-Update\n"
        "  missing: Bug or Applied-Upstream\n"
        "  missing: Proof (files of patches/proofs/, or 'none: REASON')\n"
        "  hint: docs/patches.md shows a complete header"
    )


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        *(({name: None}, name) for name in FIELDS if name not in ("Bug", "Proof")),
        ({"Description": " "}, "Description"),
        ({"Bug": None}, "Bug or Applied-Upstream"),
        ({"Proof": None}, "Proof (files of patches/proofs/, or 'none: REASON')"),
        ({"Proof": "none"}, "a reason after 'Proof: none:'"),
        ({"Proof": "none: "}, "a reason after 'Proof: none:'"),
        ({"Proof": "yes"}, "Proof (files of patches/proofs/, or 'none: REASON')"),
        ({"CVE": "2021-35936"}, "a CVE id in '2021-35936'"),
    ],
    ids=str,
)
def test_an_incomplete_header_is_refused(folder: Path, fields: dict[str, str | None], missing: str) -> None:
    with pytest.raises(SeriesError, match="incomplete DEP-3 header") as caught:
        read(folder, patch(FIX, **fields))
    assert caught.value.details == (f"missing: {missing}",)


def test_an_id_of_ours_names_a_vulnerability_as_a_cve_id_does(folder: Path) -> None:
    assert read(folder, patch(FIX, CVE="AC-2026-01, CVE-2021-35936")).cves == ("AC-2026-01", "CVE-2021-35936")


def test_applied_upstream_may_stand_for_a_bug(folder: Path) -> None:
    assert read(folder, patch(FIX, Bug=None, Applied_Upstream="2.1.3")).cves == ()


def test_a_patch_that_changes_nothing_is_refused(folder: Path) -> None:
    with pytest.raises(SeriesError, match=r"a\.patch: changes nothing"):
        read(folder, patch(""))


def test_a_patch_that_is_no_diff_is_refused_with_its_line(folder: Path) -> None:
    with pytest.raises(SeriesError, match=r"a\.patch: not a patch") as caught:
        read(folder, patch(FIX.replace("@@ -2,3 +2,3 @@", "@@ -2,4 +2,4 @@")))
    assert caught.value.details == ("line 11: the hunk ends before its 4 old and 4 new lines",)


MAIL = """From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001
From: =?UTF-8?q?Ad=C3=A4?= <ada@example.invalid>
Date: Sat, 5 Jun 2021 23:30:00 -0200
Subject: [PATCH 1/2] Mend the third line, which was
 broken

It said nothing.

  code, indented

Bug: demo/demo#1
Origin: vendor
CVE: CVE-2021-0001
Proof: test_demo.py
---
 demo/jobs.py | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

diff --git a/demo/jobs.py b/demo/jobs.py
index 0123456..89abcde 100644
"""


def test_a_patch_as_git_sends_it_is_read_with_the_fields_of_its_text(source: Path, folder: Path) -> None:
    content = f"{MAIL}{FIX}-- \n2.47.0\n".encode()
    [one] = stage.read(series(folder, {"0001-mend.patch": content}))
    assert dict(one.fields) == {
        "Description": "Mend the third line, which was broken\n It said nothing.\n .\n   code, indented",
        "Author": "Adä <ada@example.invalid>",
        "Last-Update": "2021-06-05",
        "Bug": "demo/demo#1",
        "Origin": "vendor",
        "CVE": "CVE-2021-0001",
        "Proof": "test_demo.py",
    }
    assert b"LINE 3" in applied(source, folder, {"0001-mend.patch": content})["demo/jobs.py"]


def test_one_without_fields_lacks_them_as_any_other(folder: Path) -> None:
    bare = MAIL.replace("Bug: demo/demo#1\nOrigin: vendor\nCVE: CVE-2021-0001\nProof: test_demo.py\n", "")
    with pytest.raises(SeriesError, match="incomplete DEP-3 header") as caught:
        stage.read(series(folder, {"0001-mend.patch": f"{bare}{FIX}".encode()}))
    assert "missing: Origin" in str(caught.value) or "missing: Proof" in str(caught.value)


def test_a_hunk_with_uneven_context_says_why_it_is_refused(source: Path, folder: Path) -> None:
    uneven = "--- a/demo/jobs.py\n+++ b/demo/jobs.py\n@@ -2,2 +2,2 @@\n line 2\n-line 3\n+LINE 3\n"
    with pytest.raises(SeriesError) as caught:
        applied(source, folder, {"0001-mend.patch": patch(uneven)})
    assert (
        "not at the end of the file, where a hunk was made that has less context after its last change than before its"
        " first" in str(caught.value)
    )
