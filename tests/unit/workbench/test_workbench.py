"""checkout and export: ordinary git in between, nothing lost, and a table of what is refused."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from factories import ROOT, diff_of, patch, series, write_tree
from workbench_fixtures import TRAILERS, Engineer, add, certified, ended, project, said_first, written

from astronomer_certified.artifacts import Distribution
from astronomer_certified.commands import main
from astronomer_certified.effects.disk import write_atomic
from astronomer_certified.errors import CertifiedError, SeriesError, WorkspaceError
from astronomer_certified.patches import series as series_stage
from astronomer_certified.patches.series import read
from astronomer_certified.project import catalogue
from astronomer_certified.workbench import checkout, export, lint, messages, patch_folder
from astronomer_certified.workbench.repository import Repository
from astronomer_certified.workspace import Workspace

TEXT = "".join(f"line {number}\n" for number in range(1, 21))
FILES: dict[str, str | bytes] = {
    "setup.py": "version = '1.0'\n",
    "demo/jobs.py": TEXT,
    "demo/dos.txt": "a\r\nb\r\nc\r\n",
    "demo/with blank.py": TEXT,
    "demo/ärger.py": TEXT,
    "demo/sub/one.py": "1\n",
    "demo/sub/two.py": "2\n",
    "demo/picture.bin": bytes(range(256)),
    ".gitattributes": "* text=auto eol=crlf\n*.py ident\n",
    ".gitignore": "*.ignored\n",
}


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return project(tmp_path / "project")


@pytest.fixture
def demo(place: Workspace) -> Distribution:
    return add(place, "1.0", FILES)


@pytest.fixture
def engineer(place: Workspace, demo: Distribution, tmp_path: Path) -> Engineer:
    return Engineer(place, demo, tmp_path / "checkout")


def changed(text: str = TEXT, line: int = 3) -> str:
    return text.replace(f"line {line}\n", f"LINE {line}\n")


def test_a_clone_of_this_project_has_the_same_bytes_whatever_git_is_told_about_line_ends(tmp_path: Path) -> None:
    patch_file = sorted((ROOT / "patches" / "2.1.0").glob("*.patch"))[0]
    files = {
        ".gitattributes": (ROOT / ".gitattributes").read_bytes(),
        "patches/2.1.0/0001.patch": patch_file.read_bytes(),
        "patches/2.1.0/0002.patch": patch_file.read_bytes().replace(b"\n+", b"\r\n+"),
    }
    write_tree(tmp_path / "origin", files)
    write_tree(tmp_path, {".gitconfig": "[core]\n\tautocrlf = true\n[user]\n\tname = A\n\temail = a@example.invalid\n"})
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"], ["clone", "-q", ".", "../clone"]):
        subprocess.run(["git", *words], cwd=tmp_path / "origin", env=variables, check=True)
    assert {name: (tmp_path / "clone" / name).read_bytes() for name in files} == files


# --- there and back


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_a_checkout_has_the_source_and_each_patch_as_a_commit(place: Workspace, tmp_path: Path, kind: str) -> None:
    demo = add(place, "1.0", FILES, kind=kind)
    diff = diff_of({"demo/jobs.py": TEXT}, {"demo/jobs.py": changed()}, tmp_path / "diff")
    fix = patch(diff, CVE="CVE-2021-0001")
    series(demo.folder, {"0001-fix-the-demo.patch": fix})

    engineer = Engineer(place, demo, tmp_path / "checkout")

    assert engineer.git("status", "--short") == ""
    assert engineer.git("log", "--format=%s|%an|%ae|%ad", "--date=short").splitlines() == [
        "Fix the demo|A Person|person@example.invalid|2026-11-22",
        "demo 1.0|demo|upstream|2021-05-21",
    ]
    assert engineer.git("log", "-1", "--format=%b").splitlines() == [
        "It was broken.", "", "Origin: vendor", "Bug: demo#1", "CVE: CVE-2021-0001", "Proof: test_demo.py",
    ]  # fmt: skip
    assert (engineer.folder / "demo/jobs.py").read_text() == changed()
    assert (engineer.folder / "demo/dos.txt").read_bytes() == b"a\r\nb\r\nc\r\n"
    assert {path: (engineer.folder / path).is_file() for path in FILES} == dict.fromkeys(FILES, True)


@pytest.mark.parametrize("item", catalogue.everything(Workspace.at(ROOT)), ids=catalogue.title)
def test_every_header_of_this_project_survives_the_way_through_a_commit(item: Distribution) -> None:
    for one in read(item.folder):
        author = messages.person(one.fields, one.name)
        back = messages.fields_of(messages.message(one.fields))
        back |= {"Author": messages.author_field(author.name, author.address)}
        back |= {"Last-Update": one.fields["Last-Update"]}

        assert back == dict(one.fields)
        assert (item.folder / one.name).read_bytes().startswith(messages.header(back).encode())


def test_export_after_checkout_changes_nothing(place: Workspace, engineer: Engineer, demo: Distribution) -> None:
    engineer.commit("Change the jobs", {"demo/jobs.py": changed()})
    engineer.commit("Change them again", {"demo/jobs.py": changed(changed(), 15)})
    export.export(place, engineer.folder)
    before = written(demo)
    again = Engineer(place, demo, engineer.folder.parent / "again")

    assert export.export(place, again.folder).unchanged == tuple(sorted(before.keys() - {"series"}))
    assert written(demo) == before
    # Every commit anew, with another committer and another day: what they say is the same, so the files are.
    again.git("rebase", "--quiet", "--force-rebase", "upstream", GIT_COMMITTER_DATE="2031-01-01T00:00:00Z")
    assert export.export(place, again.folder).changed == ()
    assert written(demo) == before


def test_a_new_commit_becomes_a_patch_with_a_whole_header(
    place: Workspace, engineer: Engineer, demo: Distribution
) -> None:
    engineer.write({"demo/jobs.py": changed()})
    message = "Say it: «ärger» isn't 100% nice!\n\nA reason.\n\n  indented\n# not a comment\n\nCVE: CVE-2021-0001\n"
    message += "Proof: none: a test\nBug: demo/demo#2\nSigned-off-by: Ada\n"
    engineer.git("commit", "-a", "-m", message, GIT_COMMITTER_DATE="2026-12-24T00:00:00Z")

    done = export.export(place, engineer.folder)

    assert done.added == ("0001-say-it-arger-isnt-100-nice.patch",)
    text = (demo.folder / done.added[0]).read_text()
    assert text.startswith(
        "Description: Say it: «ärger» isn't 100% nice!\n A reason.\n .\n   indented\n # not a comment\n"
        "Author: Ada Ång <ada@example.invalid>\nOrigin: vendor\nBug: demo/demo#2\nLast-Update: 2026-12-24\n"
        "CVE: CVE-2021-0001\nProof: none: a test\nSigned-off-by: Ada\n---\ndiff --git a/demo/jobs.py b/demo/jobs.py\n"
    )
    assert (demo.folder / "series").read_text() == f"{done.added[0]}\n"
    assert export.export(place, engineer.folder).unchanged == done.added


def test_names_stay_when_patches_are_reordered_dropped_and_added(
    place: Workspace, engineer: Engineer, demo: Distribution
) -> None:
    for number, subject in ((3, "First"), (9, "Second"), (15, "Third")):
        engineer.commit(subject, {"demo/jobs.py": changed((engineer.folder / "demo/jobs.py").read_text(), number)})
    export.export(place, engineer.folder)
    order = "sed -i -e '1{h;d}' -e '2G' -e '3d'"  # the second, then the first; the third goes

    engineer.git("rebase", "-i", "upstream", GIT_SEQUENCE_EDITOR=order)
    engineer.commit("Fourth", {"demo/new.py": "new\n"})
    done = export.export(place, engineer.folder)

    assert (demo.folder / "series").read_text().split() == [
        "0002-second.patch", "0001-first.patch", "0004-fourth.patch",
    ]  # fmt: skip
    assert (done.added, done.removed) == (("0004-fourth.patch",), ("0003-third.patch",))


def test_last_update_is_the_day_of_the_change_and_stays_when_only_line_numbers_move(
    place: Workspace, engineer: Engineer, demo: Distribution
) -> None:
    day = {"GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
    for line, subject in ((3, "Upper"), (17, "Lower")):
        engineer.write({"demo/jobs.py": changed((engineer.folder / "demo/jobs.py").read_text(), line)})
        engineer.git("commit", "-a", "-m", f"{subject}\n\n{TRAILERS}", **day)
    export.export(place, engineer.folder)
    engineer.git("checkout", "--quiet", "--detach", "HEAD~")
    engineer.write({"demo/jobs.py": "new\n" + changed()})
    engineer.git("commit", "-a", "--amend", "--no-edit", GIT_COMMITTER_DATE="2026-02-02T00:00:00Z")
    engineer.git("cherry-pick", "patches", GIT_COMMITTER_DATE="2026-03-03T00:00:00Z")

    assert export.export(place, engineer.folder).changed == ("0001-upper.patch", "0002-lower.patch")
    assert b"Last-Update: 2026-02-02\n" in written(demo)["0001-upper.patch"]
    lower = written(demo)["0002-lower.patch"]
    assert b"Last-Update: 2026-01-01\n" in lower
    assert b"@@ -15,7 +15,7 @@" in lower


def test_squash_and_reword_keep_the_subject_and_every_line(
    place: Workspace, engineer: Engineer, demo: Distribution
) -> None:
    engineer.commit("Fix it\n\n# a heading\n; a line", {"demo/jobs.py": changed()})
    export.export(place, engineer.folder)
    again = Engineer(place, demo, engineer.folder.parent / "again")
    again.write({"demo/jobs.py": changed(changed(), 9)})
    again.git("commit", "--quiet", "--all", "--squash", "HEAD")
    again.git("rebase", "-i", "--autosquash", "upstream", GIT_SEQUENCE_EDITOR="true")

    assert export.export(place, again.folder).changed == ("0001-fix-it.patch",)

    [fixed] = read(demo.folder)
    assert fixed.fields["Description"] == "Fix it\n # a heading\n ; a line\n .\n Why it is."
    reword = "sed -i s/^pick/reword/"
    again.git("rebase", "-i", "upstream", GIT_SEQUENCE_EDITOR=reword, GIT_EDITOR="sed -i 's/a heading/A heading/'")
    export.export(place, again.folder)
    assert read(demo.folder)[0].fields["Description"] == "Fix it\n # A heading\n ; a line\n .\n Why it is."


# --- odd files


ODD: dict[str, Mapping[str, str | bytes | None]] = {
    "a CRLF file": {"demo/dos.txt": "a\r\nB\r\nc\r\n"},
    "a name with a blank": {"demo/with blank.py": changed()},
    "a name that is not ASCII": {"demo/ärger.py": changed()},
    "a new name with a quote": {'demo/"quoted" ü.py': "x\n"},
    "a new empty file": {"demo/sub/__init__.py": ""},
    "a file that goes": {"demo/jobs.py": None},
    "a renamed file": {"demo/jobs.py": None, "demo/moved.py": changed()},
    "a file that becomes a folder": {"demo/jobs.py": None, "demo/jobs.py/__init__.py": "x\n"},
    "a folder that becomes a file": {"demo/sub/one.py": None, "demo/sub/two.py": None, "demo/sub": "x\n"},
    "names with words of git": {"demo/jobs.py": None, "demo/notes from us.md": changed()},
    "more names with words of git": {"demo/jobs.py": None, "demo/way to go.md": changed()},
    "no newline at the end": {"demo/jobs.py": TEXT.rstrip("\n")},
    "Latin-1": {"demo/latin.py": b"# \xe4rger\n"},
}


@pytest.mark.parametrize("case", ODD)
def test_odd_files_go_there_and_back(
    place: Workspace, engineer: Engineer, demo: Distribution, tmp_path: Path, case: str
) -> None:
    for name, content in ODD[case].items():
        if content is None:
            (engineer.folder / name).unlink()
    if case == "a folder that becomes a file":
        (engineer.folder / "demo/sub").rmdir()
    engineer.write({name: content for name, content in ODD[case].items() if content is not None})
    engineer.git("add", "--all", "--force")
    engineer.git("commit", "--quiet", "-m", f"Odd\n\n{TRAILERS}")
    export.export(place, engineer.folder)
    before = written(demo)
    again = Engineer(place, demo, tmp_path / "again")

    for name, content in ODD[case].items():
        path = again.folder / name
        assert path.read_bytes() == (content.encode() if isinstance(content, str) else content) if content is not None \
            else not path.is_file()  # fmt: skip
    again.git("commit", "--amend", "--quiet", "--no-edit", "--reset-author")
    export.export(place, again.folder)
    assert written(demo).keys() == before.keys()
    assert read(demo.folder)[0].files


def test_a_mode_goes_there_and_back(place: Workspace, engineer: Engineer, demo: Distribution, tmp_path: Path) -> None:
    engineer.write({"run": "#!/bin/sh\n"})
    for name in ("run", "demo/jobs.py"):
        (engineer.folder / name).chmod(0o755)
    engineer.git("add", "--all")
    engineer.git("commit", "-m", f"Run it\n\n{TRAILERS}")
    export.export(place, engineer.folder)

    again = Engineer(place, demo, tmp_path / "again")
    assert [(again.folder / name).stat().st_mode & 0o111 for name in ("run", "demo/jobs.py")] == [0o111, 0o111]


# --- what is refused


def dirty(engineer: Engineer) -> None:
    engineer.write({"demo/jobs.py": "changed\n"})


def untracked(engineer: Engineer) -> None:
    engineer.write({"demo/forgotten.py": "x\n"})


def merge(engineer: Engineer) -> None:
    engineer.git("switch", "--quiet", "-c", "side")
    engineer.commit("Side", {"demo/new.py": "x\n"})
    engineer.git("switch", "--quiet", "patches")
    engineer.commit("Main", {"demo/jobs.py": changed()})
    engineer.git("merge", "--quiet", "side", "-m", "Merge them")


def empty(engineer: Engineer) -> None:
    engineer.commit("Nothing", {})


def binary(engineer: Engineer) -> None:
    engineer.commit("Picture", {"demo/picture.bin": bytes(range(255, -1, -1))})


def link(engineer: Engineer) -> None:
    (engineer.folder / "demo/link.py").symlink_to("jobs.py")
    engineer.commit("Link", {})


def twins(engineer: Engineer) -> None:
    engineer.commit("Same", {"demo/jobs.py": changed()})
    engineer.commit("Same", {"demo/new.py": "x\n"})


def no_trailers(engineer: Engineer) -> None:
    engineer.commit("Bare", {"demo/jobs.py": changed()}, "")


def two_line_subject(engineer: Engineer) -> None:
    engineer.commit("One\nTwo", {"demo/jobs.py": changed()})


def lone_dot(engineer: Engineer) -> None:
    engineer.commit("Dot\n\na\n.\nb", {"demo/jobs.py": changed()})


def not_a_cve(engineer: Engineer) -> None:
    engineer.commit("Number", {"demo/jobs.py": changed()}, TRAILERS + "CVE: 2021-1\n")


def in_the_middle(engineer: Engineer) -> None:
    engineer.commit("A", {"demo/jobs.py": changed()})
    engineer.git("rebase", "-i", "upstream", GIT_SEQUENCE_EDITOR="sed -i s/^pick/edit/")


def elsewhere(engineer: Engineer) -> None:
    engineer.git("checkout", "--quiet", "--orphan", "other")
    engineer.git("commit", "--quiet", "-m", "Other")


def bisect(engineer: Engineer) -> None:
    engineer.commit("Good", {"demo/jobs.py": changed()})
    for name in ("Bad", "Worse"):
        engineer.commit(name, {f"demo/{name}.py": "x\n"})
    engineer.git("bisect", "start", "HEAD", "upstream")


def detached(engineer: Engineer) -> None:
    engineer.commit("First", {"demo/jobs.py": changed()})
    engineer.commit("Second", {"demo/new.py": "x\n"})
    engineer.git("switch", "--quiet", "--detach", "HEAD~")


def silent(engineer: Engineer) -> None:
    engineer.write({"demo/jobs.py": changed()})
    engineer.git("commit", "--quiet", "--all", "--allow-empty-message", "-m", "")


REFUSED: dict[str, tuple[Callable[[Engineer], None], str]] = {
    "dirty": (dirty, "has changes that are in no commit\n   M demo/jobs.py\n  hint: commit them"),
    "untracked": (untracked, "has changes that are in no commit\n  ?? demo/forgotten.py"),
    "merge": (merge, "Merge them: a merge; a series is a line of patches\n  hint: git rebase -i upstream"),
    "empty": (empty, "Nothing: changes nothing"),
    "binary": (binary, "Picture: changes a binary file, which no reviewer can read"),
    "link": (link, "Link: has a symbolic link or a submodule"),
    "twins": (twins, "two commits have the same subject, and so the same name\n  same\n"),
    "no trailers": (no_trailers, "Bare: lacks Bug or Applied-Upstream: "),
    "subject of two lines": (two_line_subject, "the subject must be one line"),
    "a lone dot": (lone_dot, "a line that is a lone dot means an empty line"),
    "not a CVE": (not_a_cve, "missing: a CVE id in '2021-1'"),
    "in the middle of a rebase": (in_the_middle, "git is in the middle of something (rebase-merge)"),
    "no message": (silent, "no message; its first line is the subject of the patch"),
    "in a bisect": (bisect, "git is in the middle of something (BISECT_LOG)"),
    "on an older commit": (
        detached,
        "HEAD is detached, on a commit before the end of branch patches\n  hint: the patches",
    ),
    "on another branch": (elsewhere, "HEAD is not on top of the upstream source\n  hint: go to the branch"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_series_is_refused_and_leaves_everything_as_it_was(
    place: Workspace, engineer: Engineer, demo: Distribution, case: str
) -> None:
    do, words = REFUSED[case]
    do(engineer)
    before, head = written(demo), engineer.git("log", "--format=%H")

    with pytest.raises(CertifiedError) as refused:
        export.export(place, engineer.folder)

    assert words in str(refused.value)
    assert written(demo) == before
    assert engineer.git("log", "--format=%H") == head


def test_somebody_at_a_terminal_is_asked_for_what_is_missing_and_once_only(
    place: Workspace, engineer: Engineer, demo: Distribution
) -> None:
    engineer.commit("Bare", {"demo/jobs.py": changed()}, "")
    asked = []

    def ask(subject: str, field: str, what: str) -> str:
        asked.append((subject, field))
        return {"Bug": "demo/demo#7", "Proof": "none: asked"}[field]

    export.export(place, engineer.folder, ask)
    engineer.git("commit", "--amend", "--quiet", "-m", "Bare\n\nNow with a reason.")
    export.export(place, engineer.folder)

    assert asked == [("Bare", "Bug"), ("Bare", "Proof")]
    assert {"Bug": "demo/demo#7", "Proof": "none: asked", "Origin": "vendor"}.items() <= read(demo.folder)[
        0
    ].fields.items()
    assert "Now with a reason." in read(demo.folder)[0].fields["Description"]


ANSWERS: dict[str, tuple[list[str], dict[str, str]]] = {
    "a field with its name": (
        ["applied-upstream: 2.1.3", "none: x"],
        {"Applied-Upstream": "2.1.3", "Proof": "none: x"},
    ),
    "a version": (["2.1.3", "test_x.py"], {"Applied-Upstream": "2.1.3", "Proof": "test_x.py"}),
    "the name again": (["Bug: a/b#1", "Proof: test_x.py"], {"Bug": "a/b#1", "Proof": "test_x.py"}),
    "a wrong one": (["a/b#1", "later", "none", "none: x"], {"Bug": "a/b#1", "Proof": "none: x"}),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_is_read_as_the_field_that_it_is_and_asked_again_when_it_is_none(
    place: Workspace, engineer: Engineer, demo: Distribution, case: str
) -> None:
    said, fields = ANSWERS[case]
    left = iter(said)
    engineer.commit("Bare", {"demo/jobs.py": changed()}, "")

    export.export(place, engineer.folder, lambda subject, field, what: next(left))

    found = read(demo.folder)[0].fields
    assert {name: found[name] for name in ("Bug", "Applied-Upstream", "Proof") if name in found} == fields


def test_a_message_with_odd_signs_is_read_whole(place: Workspace, engineer: Engineer, demo: Distribution) -> None:
    engineer.commit("Odd\n\nbefore \x01 after", {"demo/jobs.py": changed()})
    export.export(place, engineer.folder)
    assert "before \x01 after" in read(demo.folder)[0].fields["Description"]


def test_a_patch_that_does_the_same_keeps_its_bytes(
    place: Workspace, engineer: Engineer, demo: Distribution, tmp_path: Path
) -> None:
    engineer.commit("One", {"demo/jobs.py": changed()})
    export.export(place, engineer.folder)
    [name] = [name for name in written(demo) if name.endswith(".patch")]
    path = demo.folder / name
    path.write_bytes(re.sub(rb"(?m)^index .*\n", b"", path.read_bytes()))
    before = path.read_bytes()
    again = Engineer(place, demo, tmp_path / "again")
    again.git("rebase", "--quiet", "--force-rebase", "upstream", GIT_COMMITTER_DATE="2031-01-01T00:00:00Z")

    assert export.export(place, again.folder).unchanged == (name,)
    assert path.read_bytes() == before


def test_a_patch_that_stopped_applying_is_refused_at_checkout(
    place: Workspace, demo: Distribution, tmp_path: Path
) -> None:
    other = TEXT.replace("line 3", "another")
    diff = diff_of({"demo/jobs.py": other}, {"demo/jobs.py": changed(other, 4)}, tmp_path / "diff")
    series(demo.folder, {"0001-fix.patch": patch(diff)})

    with pytest.raises(SeriesError, match=r"0001-fix.patch does not apply to demo==1.0\n.*hunk 1 at line 3"):
        checkout.make(place, demo, tmp_path / "checkout")
    assert not (tmp_path / "checkout").exists()


def test_a_patch_that_stopped_applying_can_be_repaired_with_git(
    place: Workspace, demo: Distribution, tmp_path: Path
) -> None:
    other = TEXT.replace("line 3", "another")
    stale = diff_of({"demo/jobs.py": other}, {"demo/jobs.py": changed(other, 4)}, tmp_path / "stale")
    good = diff_of({"demo/ärger.py": TEXT}, {"demo/ärger.py": changed()}, tmp_path / "good")
    fields = {"CVE": "CVE-2021-0001", "Applied-Upstream": "1.2", "Notice": "Mind the gap"}
    two = {
        "0001-stale.patch": patch(stale, Description="Stale\n For a reason.", **fields),
        "0002-good.patch": patch(good, Description="Good"),
    }
    series(demo.folder, two)
    before = read(demo.folder)[0].fields
    with pytest.raises(SeriesError, match=r"hint: certified patch checkout demo==1\.0 --partly"):
        checkout.make(place, demo, tmp_path / "checkout")

    engineer = Engineer(place, demo, tmp_path / "checkout", partly=True)

    assert [one.name for one in engineer.made.left] == ["0001-stale.patch"]
    assert engineer.git("log", "--format=%s").splitlines() == ["Good", "demo 1.0"]
    for _ in range(2):
        with pytest.raises(WorkspaceError, match=r"have no commit of their subject\n  0001-stale\.patch: Stale\n"):
            export.export(place, engineer.folder)  # or the patch would be lost
        (engineer.folder / "0001-stale.patch").unlink(missing_ok=True)
        engineer.commit("Something else", {"demo/new.py": "x\n"})
    assert (demo.folder / "0001-stale.patch").read_bytes() == two["0001-stale.patch"]
    engineer.git("reset", "--quiet", "--hard", "HEAD~2")
    engineer.write({"demo/jobs.py": changed(TEXT, 4)})
    engineer.git("add", "--all")
    engineer.git("commit", "--quiet", "-F", "0001-stale.patch.message", "--author", "A Person <person@example.invalid>")
    done = export.export(place, engineer.folder)
    assert (done.changed, done.unchanged, done.lost) == (("0001-stale.patch",), ("0002-good.patch",), ())
    now = read(demo.folder)[1].fields
    assert {**now, "Last-Update": ""} == {**before, "Last-Update": ""}


def test_an_export_says_which_fields_are_gone(
    place: Workspace, demo: Distribution, engineer: Engineer, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    engineer.commit("Fix", {"demo/jobs.py": changed()}, TRAILERS + "CVE: CVE-2021-0001\nApplied-Upstream: 1.2\n")
    export.export(place, engineer.folder)
    engineer.git("commit", "--amend", "--quiet", "-m", f"Fix\n\n{TRAILERS}")
    monkeypatch.setenv("CERTIFIED_CACHE_DIR", str(place.cache))

    assert main.main(["-C", str(place.root), "patch", "export", str(engineer.folder)]) == 0

    assert capsys.readouterr().err.splitlines()[:-1] == [
        "certified: 0001-fix.patch does not say any more: CVE: CVE-2021-0001",
        "certified: 0001-fix.patch does not say any more: Applied-Upstream: 1.2",
    ]


# --- nothing is lost


def test_a_checkout_with_work_is_not_overwritten(place: Workspace, engineer: Engineer, demo: Distribution) -> None:
    checkout.make(place, demo, engineer.folder)  # nothing to lose: it is made anew
    engineer.commit("Work", {"demo/jobs.py": changed()})
    with pytest.raises(WorkspaceError, match=r"is a checkout with work that is not exported"):
        checkout.make(place, demo, engineer.folder)
    export.export(place, engineer.folder)
    checkout.make(place, demo, engineer.folder)
    dirty(engineer)
    with pytest.raises(WorkspaceError, match=r"uncommitted:  M demo/jobs.py"):
        checkout.make(place, demo, engineer.folder)


def stash(engineer: Engineer) -> None:
    dirty(engineer)
    engineer.git("stash")


def side_branch(engineer: Engineer) -> None:
    engineer.git("switch", "--quiet", "-c", "patches-2")
    engineer.commit("Side", {"demo/new.py": "x\n"})
    engineer.git("switch", "--quiet", "patches")


def detached_at_the_tip(engineer: Engineer) -> None:
    engineer.commit("Ahead", {"demo/new.py": "x\n"})
    engineer.git("switch", "--quiet", "--detach", "HEAD~")


def stopped(engineer: Engineer) -> None:
    engineer.git("rebase", "-i", "upstream~0", GIT_SEQUENCE_EDITOR="echo break >")


WORK: dict[str, tuple[Callable[[Engineer], None], str]] = {
    "a stash": (stash, "commits that are in refs/stash only"),
    "a branch": (side_branch, "commits that are in refs/heads/patches-2 only"),
    "the branch, which HEAD left": (detached_at_the_tip, "commits that are in refs/heads/patches only"),
    "a rebase": (stopped, "git is in the middle of something (rebase-merge)"),
}


@pytest.mark.parametrize("case", WORK)
def test_work_that_git_keeps_elsewhere_is_not_overwritten(
    place: Workspace, engineer: Engineer, demo: Distribution, case: str
) -> None:
    do, words = WORK[case]
    do(engineer)
    with pytest.raises(WorkspaceError) as refused:
        checkout.make(place, demo, engineer.folder)
    assert words in refused.value.details


def test_a_killed_checkout_leaves_nothing_that_the_next_does_not_sweep(
    place: Workspace, demo: Distribution, tmp_path: Path
) -> None:
    write_tree(tmp_path, {".work.tmp-abc/half": "x\n", ".other.tmp-abc/half": "x\n"})
    checkout.make(place, demo, tmp_path / "work")
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".other.tmp-abc"]


def test_a_link_to_a_folder_is_kept(place: Workspace, demo: Distribution, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    for _ in range(2):
        assert checkout.make(place, demo, tmp_path / "link").folder == tmp_path / "real"
    assert (tmp_path / "link").is_symlink()


def test_comments_of_a_series_stay_with_their_patches(
    place: Workspace, engineer: Engineer, demo: Distribution, tmp_path: Path
) -> None:
    for number, subject in ((3, "First"), (9, "Second")):
        engineer.commit(subject, {"demo/jobs.py": changed((engineer.folder / "demo/jobs.py").read_text(), number)})
    export.export(place, engineer.folder)
    text = "# All of it.\n\n# why\n0001-first.patch -p1\n0002-second.patch # short\n# the end\n"
    (demo.folder / "series").write_text(text)
    again = Engineer(place, demo, tmp_path / "again")
    again.git("rebase", "-i", "upstream", GIT_SEQUENCE_EDITOR="sed -i -e '1{h;d}' -e '2G'")
    again.commit("Third", {"demo/new.py": "x\n"})

    export.export(place, again.folder)

    assert (demo.folder / "series").read_text() == (
        "# All of it.\n\n0002-second.patch # short\n# why\n0001-first.patch -p1\n0003-third.patch\n# the end\n"
    )


def test_a_bare_address_among_the_fields_is_refused(place: Workspace, engineer: Engineer, demo: Distribution) -> None:
    engineer.commit("Fix", {"demo/jobs.py": changed()}, TRAILERS + "https://example.invalid/1\n")
    with pytest.raises(SeriesError, match="not a field: 'https://example"):
        export.export(place, engineer.folder)


def test_a_folder_with_other_things_is_not_overwritten(place: Workspace, demo: Distribution, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "mine", {"notes": "mine\n"})
    with pytest.raises(WorkspaceError, match="is there already, and no checkout"):
        checkout.make(place, demo, folder)


def test_what_somebody_else_exported_meanwhile_is_kept(
    place: Workspace, engineer: Engineer, demo: Distribution, tmp_path: Path
) -> None:
    other = Engineer(place, demo, tmp_path / "other")
    other.commit("Theirs", {"demo/ärger.py": changed()})
    export.export(place, other.folder)
    engineer.commit("Ours", {"demo/jobs.py": changed()})

    done = export.export(place, engineer.folder)

    assert (demo.folder / "series").read_text().split() == ["0001-theirs.patch", "0002-ours.patch"]
    assert done.unchanged == ("0001-theirs.patch",)


def test_what_somebody_else_exported_in_the_same_place_is_for_a_human(
    place: Workspace, engineer: Engineer, demo: Distribution, tmp_path: Path
) -> None:
    other = Engineer(place, demo, tmp_path / "other")
    other.commit("Theirs", {"demo/jobs.py": changed()})
    export.export(place, other.folder)
    engineer.commit("Ours", {"demo/jobs.py": TEXT.replace("line 3", "ours")})
    before, head = written(demo), engineer.git("rev-parse", "HEAD")

    with pytest.raises(WorkspaceError, match="was changed since it was checked out") as refused:
        export.export(place, engineer.folder)

    assert written(demo) == before
    assert engineer.git("rev-parse", "HEAD") == head
    [hint] = [line for line in str(refused.value).splitlines() if "hint: there: " in line]
    engineer.git(*hint.split("git ")[1].split(",")[0].split(), status=1)
    engineer.write({"demo/jobs.py": TEXT.replace("line 3", "both")})
    engineer.git("add", "--all")
    engineer.git("rebase", "--continue")
    assert export.export(place, engineer.folder).added == ("0002-ours.patch",)


class Killed(BaseException):
    """What a kill is to the code that it ends: nothing catches it."""


def kill_export(place: Workspace, engineer: Engineer, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """An export ends as by `kill -9` after it wrote that many files of the series."""
    left = iter(range(after))

    def write(target: Path, content: bytes) -> None:
        if next(left, None) is None:
            raise Killed
        write_atomic(target, content)

    with monkeypatch.context() as patched:
        patched.setattr(patch_folder, "write_atomic", write)
        with pytest.raises(Killed):
            export.export(place, engineer.folder)


@pytest.fixture
def half(
    place: Workspace, engineer: Engineer, demo: Distribution, monkeypatch: pytest.MonkeyPatch
) -> Mapping[str, bytes]:
    """An export was killed after its first file; this is the series as it was before."""
    engineer.commit("One", {"demo/jobs.py": changed()})
    export.export(place, engineer.folder)
    before = written(demo)
    engineer.git("commit", "--amend", "--quiet", "-m", f"One\n\nBetter said.\n\n{TRAILERS}")
    engineer.commit("Two", {"demo/new.py": "x\n"})
    kill_export(place, engineer, monkeypatch, after=1)
    assert written(demo)["0001-one.patch"] != before["0001-one.patch"]
    return before


def test_an_export_that_was_killed_is_undone_by_the_next_who_says_so(
    place: Workspace, engineer: Engineer, demo: Distribution, half: Mapping[str, bytes],
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    checkout.make(place, demo, tmp_path / "another")

    assert written(demo) == half
    assert f"{demo.folder}: an export was killed; the series is as it was before it" in capsys.readouterr().err
    assert export.export(place, engineer.folder).added == ("0002-two.patch",)
    assert sorted(path.name for path in demo.folder.iterdir()) == [
        "0001-one.patch", "0002-two.patch", "distribution.toml", "series",
    ]  # fmt: skip


def test_a_series_that_is_half_replaced_is_not_read(
    place: Workspace, demo: Distribution, half: Mapping[str, bytes]
) -> None:
    with pytest.raises(SeriesError, match=r"an export is at work on it, or was killed: \.before-export is there"):
        read(demo.folder)
    with pytest.raises(SeriesError, match="was killed"):
        lint.lint(place, [demo])


def test_what_was_changed_since_an_export_was_killed_is_not_undone(
    place: Workspace, engineer: Engineer, demo: Distribution, half: Mapping[str, bytes], tmp_path: Path
) -> None:
    (demo.folder / "0001-one.patch").write_bytes(half["0001-one.patch"])
    theirs = half["0001-one.patch"].replace(b"Description: One", b"Description: Theirs")
    write_tree(demo.folder, {"0003-theirs.patch": theirs, "series": "0001-one.patch\n0003-theirs.patch\n"})
    before = written(demo)

    attempts: tuple[Callable[[], object], ...] = (
        lambda: checkout.make(place, demo, tmp_path / "x"),
        lambda: export.export(place, engineer.folder),
    )
    for do in attempts:
        with pytest.raises(WorkspaceError, match=r"were changed since\n  0003-theirs.patch\n  series\n") as refused:
            do()
        assert f"is in {demo.folder / series_stage.BACKUP}: put the series right" in str(refused.value)
    assert written(demo) == before


def test_commands_that_change_one_series_at_once_wait_for_each_other(
    place: Workspace, demo: Distribution, tmp_path: Path
) -> None:
    engineers = [Engineer(place, demo, tmp_path / name) for name in ("a", "b")]
    for engineer in engineers:
        for number in (1, 2):
            name = f"{engineer.folder.name}-{number}"
            engineer.commit(name, {f"demo/{name}.py": "x\n"})
    with patch_folder.held(place, demo):
        exports = [certified(place, "export", str(engineer.folder)) for engineer in engineers]
        waits = [said_first(process) for process in exports]

    assert [ended(process) for process in exports] == [0, 0]
    assert ["waiting for another command that works on" in line for line in waits] == [True, True]
    assert sorted(patch.subject for patch in read(demo.folder)) == ["a-1", "a-2", "b-1", "b-2"]


def drop(engineer: Engineer) -> None:
    engineer.git("rebase", "--quiet", "--onto", "HEAD~2", "HEAD~")


def amend(engineer: Engineer) -> None:
    engineer.git("commit", "--quiet", "--amend", "-m", f"Second\n\nBetter said.\n\n{TRAILERS}")


def more(engineer: Engineer) -> None:
    engineer.commit("Third", {"demo/third.py": "x\n"})


OWN_WORK: dict[str, tuple[Callable[[Engineer], None], list[str]]] = {
    "drop": (drop, ["Second"]),
    "amend": (amend, ["First", "Second"]),
    "more": (more, ["First", "Second", "Third"]),
}


@pytest.fixture
def two(place: Workspace, engineer: Engineer, demo: Distribution, tmp_path: Path) -> tuple[Engineer, Engineer]:
    """An engineer and a colleague, each in a checkout of a series of two patches."""
    engineer.commit("First", {"demo/jobs.py": changed()})
    engineer.commit("Second", {"demo/ärger.py": changed()})
    export.export(place, engineer.folder)
    return Engineer(place, demo, tmp_path / "own"), Engineer(place, demo, tmp_path / "colleague")


@pytest.mark.parametrize("case", OWN_WORK)
def test_what_others_added_is_beside_what_was_done_here(
    place: Workspace, demo: Distribution, two: tuple[Engineer, Engineer], case: str
) -> None:
    own, colleague = two
    colleague.commit("Theirs", {"demo/with blank.py": changed()})
    export.export(place, colleague.folder)
    theirs = written(demo)["0003-theirs.patch"]
    do, subjects = OWN_WORK[case]
    do(own)

    export.export(place, own.folder)

    assert sorted(one.subject for one in read(demo.folder)) == sorted([*subjects, "Theirs"])
    assert written(demo)["0003-theirs.patch"] == theirs


@pytest.mark.parametrize("case", OWN_WORK)
def test_the_hint_for_what_git_cannot_do_alone_undoes_nothing(
    place: Workspace, demo: Distribution, two: tuple[Engineer, Engineer], case: str
) -> None:
    own, colleague = two
    colleague.commit("Theirs", {"demo/with blank.py": changed()})
    export.export(place, colleague.folder)
    do, subjects = OWN_WORK[case]
    do(own)
    own.commit("Ours", {"demo/with blank.py": TEXT.replace("line 3", "ours")})
    before, head = written(demo), own.git("rev-parse", "HEAD")

    with pytest.raises(WorkspaceError, match="was changed since it was checked out") as refused:
        export.export(place, own.folder)

    assert (written(demo), own.git("rev-parse", "HEAD")) == (before, head)
    assert refused.value.hint is not None
    words = refused.value.hint.removeprefix("there: git ").split(",")[0].split()
    own.git(*words, status=1)
    own.write({"demo/with blank.py": TEXT.replace("line 3", "both")})
    own.git("add", "--all")
    own.git(words[0], "--continue")
    export.export(place, own.folder)
    assert sorted(one.subject for one in read(demo.folder)) == sorted([*subjects, "Ours", "Theirs"])


def test_two_who_changed_what_was_there_are_told_of_another_checkout(
    place: Workspace, demo: Distribution, two: tuple[Engineer, Engineer]
) -> None:
    own, colleague = two
    amend(colleague)
    export.export(place, colleague.folder)
    before = written(demo)
    drop(own)
    with pytest.raises(WorkspaceError, match=r"hint: certified patch checkout demo==1\.0 DIR makes another one"):
        export.export(place, own.folder)
    assert written(demo) == before


def test_an_export_that_is_killed_at_any_moment_loses_nothing(
    place: Workspace, engineer: Engineer, demo: Distribution
) -> None:
    subjects = []
    for number in range(1, 7):
        subjects.append(f"Change {number}")
        engineer.commit(subjects[-1], {"demo/jobs.py": changed((engineer.folder / "demo/jobs.py").read_text(), number)})
        with certified(place, "export", str(engineer.folder)) as process:
            time.sleep(random.uniform(0.1, 0.4))
            process.kill()

        export.export(place, engineer.folder)

        assert [patch.subject for patch in read(demo.folder)] == subjects
        assert not (demo.folder / series_stage.BACKUP).exists()


# --- the command line


def test_the_verbs_print_what_they_made(
    place: Workspace, demo: Distribution, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTIFIED_CACHE_DIR", str(place.cache))
    words = ["-C", str(place.root), "patch"]
    assert main.main([*words, "checkout", "demo==1.0"]) == 0
    folder = capsys.readouterr().out.strip()
    assert folder == str(place.root / "checkouts" / "demo-1.0")
    assert main.main([*words, "export", folder]) == 0
    assert capsys.readouterr().out == f"{demo.folder}: 0 patches unchanged\n"
    assert main.main([*words, "export", "demo==1.0"]) == 0
    assert main.main([*words, "checkout", "demo"]) == 2
    assert main.main([*words, "export", str(place.root)]) == 1
    assert "is not a checkout of a series\n  hint: certified patch checkout" in capsys.readouterr().err


# --- what a kill, a hand or git itself has left


def test_an_export_that_was_killed_before_it_noted_what_it_did_is_taken_up_again(
    place: Workspace, engineer: Engineer, demo: Distribution
) -> None:
    engineer.commit("Add a line", {"demo/jobs.py": f"{TEXT}one more\n"})
    engineer.commit("Add another", {"demo/jobs.py": f"{TEXT}one more\nand another\n"})
    before = checkout.read_state(engineer.folder)
    export.export(place, engineer.folder)
    made = written(demo)
    checkout.write_state(engineer.folder, before)  # as a run leaves it that is killed after it replaced the series

    assert export.export(place, engineer.folder).changed == ()

    assert written(demo) == made
    engineer.commit("Add a third", {"demo/jobs.py": f"{TEXT}one more\nand another\nand a third\n"})
    assert export.export(place, engineer.folder).added == ("0003-add-a-third.patch",)


def test_exporting_again_mends_the_line_numbers_of_a_series_that_was_reordered_by_hand(
    place: Workspace, engineer: Engineer, demo: Distribution
) -> None:
    engineer.commit("Change the end", {"demo/jobs.py": changed(line=18)})
    engineer.commit("Begin with more", {"demo/jobs.py": f"0\n0\n0\n{changed(line=18)}"})
    export.export(place, engineer.folder)
    first, second = (demo.folder / "series").read_text().split()
    (demo.folder / "series").write_text(f"{second}\n{first}\n")
    with pytest.raises(SeriesError, match="problem"):
        lint.lint(place, [demo])
    again = Engineer(place, demo, engineer.folder.parent / "again")

    assert export.export(place, again.folder).changed == (first,)

    assert lint.lint(place, [demo]) == "2 patches of 1 series: nothing to complain about"
    assert export.export(place, again.folder).changed == ()


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_edits_that_git_was_told_to_pass_over_are_edits(
    place: Workspace, engineer: Engineer, demo: Distribution, flag: str
) -> None:
    engineer.git("update-index", flag, "demo/jobs.py")
    assert checkout.uncommitted(Repository.of(engineer.folder)) == []
    engineer.write({"demo/jobs.py": changed()})
    assert engineer.git("status", "--short") == ""

    with pytest.raises(WorkspaceError, match="is a checkout with work that is not exported"):
        checkout.make(place, demo, engineer.folder)
    with pytest.raises(WorkspaceError, match="changes that are in no commit"):
        export.export(place, engineer.folder)
    assert (engineer.folder / "demo/jobs.py").read_text() == changed()
    assert engineer.git("ls-files", "-v", "demo/jobs.py")[0] != "H"  # what git was told, it still knows


def test_an_export_says_what_comes_next_and_works_inside_of_the_checkout(
    place: Workspace, demo: Distribution, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engineer = Engineer(place, demo, place.root / "checkouts" / "demo-1.0")
    engineer.commit("Change the jobs", {"demo/jobs.py": changed()})
    monkeypatch.chdir(engineer.folder)

    assert main.main(["patch", "export", "."]) == 0

    printed = capsys.readouterr()
    assert printed.out.startswith("added    0001-change-the-jobs.patch\n")
    assert printed.err == "next: certified patch lint demo==1.0; make releases-page\n"


def test_a_subject_without_ascii_names_its_patch_by_a_digest_that_stays(
    place: Workspace, engineer: Engineer, demo: Distribution
) -> None:
    engineer.commit("修复漏洞", {"demo/jobs.py": changed()})
    done = export.export(place, engineer.folder)
    [name] = done.added
    assert re.fullmatch(r"0001-patch-[0-9a-f]{8}\.patch", name)
    assert done.hints == (f"{name}: its subject has no ASCII letter to name the file by; one in English helps others",)
    again = Engineer(place, demo, engineer.folder.parent / "again")
    again.git("commit", "--amend", "--quiet", "--no-edit", "--date=2020-01-01T00:00:00Z")
    assert written(demo).keys() == {"series", name}
    export.export(place, again.folder)
    assert written(demo).keys() == {"series", name}


def test_each_of_several_authors_keeps_a_trailer_of_his_own(
    place: Workspace, engineer: Engineer, demo: Distribution
) -> None:
    engineer.write({"demo/jobs.py": changed()})
    people = ["Co-authored-by: Ada <ada@example.invalid>", "Co-authored-by: Bob <bob@example.invalid>"]
    trailers = "\n".join(["Bug: demo/demo#2", "Origin: vendor", "Proof: none: a test", *people])
    engineer.git("commit", "-a", "-m", f"Change the jobs\n\nA reason.\n\n{trailers}")
    export.export(place, engineer.folder)
    again = Engineer(place, demo, engineer.folder.parent / "again")
    assert again.git("log", "-1", "--format=%(trailers:key=Co-authored-by)").split("\n")[:2] == people
    before = written(demo)
    again.git("commit", "--amend", "--quiet", "--no-edit", "--date=2020-01-01T00:00:00Z")
    export.export(place, again.folder)
    assert written(demo) == before
