"""port: what becomes of a patch in another version, and the way through a conflict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from factories import patch, series, write_tree
from workbench_fixtures import TRAILERS, Engineer, add, certified, ended, project, said_first, written

from astronomer_certified.artifacts import Distribution
from astronomer_certified.commands import main
from astronomer_certified.errors import WorkspaceError
from astronomer_certified.patches.series import read
from astronomer_certified.project import catalogue
from astronomer_certified.workbench import export, patch_folder, port
from astronomer_certified.workbench.port import Fate
from astronomer_certified.workspace import Workspace

TEXT = "".join(f"line {number}\n" for number in range(1, 21))
FIXED = TEXT.replace("line 10\n", "line 10\nfixed\n")

# demo/jobs.py (or another file) of the version that is ported to, and what is expected.
TARGETS: dict[str, tuple[dict[str, str | bytes], Fate, str]] = {
    "the same": ({"demo/jobs.py": TEXT}, Fate.CLEAN, ""),
    "longer above": ({"demo/jobs.py": "new\nnew\n" + TEXT}, Fate.OFFSET, "1 hunks"),
    "another context": (
        {"demo/jobs.py": TEXT.replace("line 12\n", "line twelve\n")}, Fate.MERGED, "the context differs",
    ),
    "moved away": ({"demo/moved.py": TEXT}, Fate.MERGED, "the context differs"),
    "changed there": ({"demo/jobs.py": TEXT.replace("line 10\n", "ten\n")}, Fate.CONFLICT, "in demo/jobs.py"),
    "fixed": ({"demo/jobs.py": FIXED}, Fate.NOT_NEEDED, "the source has it already"),
    "fixed among other changes": (
        {"demo/jobs.py": "new\n" + FIXED.replace("line 9\n", "")}, Fate.NOT_NEEDED, "the source has it already",
    ),
    "without the file": ({"demo/other.py": "x\n"}, Fate.NOT_APPLICABLE, "no demo/jobs.py"),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return project(tmp_path / "project")


@pytest.fixture
def fixed(place: Workspace, tmp_path: Path) -> Distribution:
    """demo 1.0 with a patch."""
    return with_fix(place, "1.0", tmp_path)


def with_fix(place: Workspace, version: str, tmp_path: Path, trailers: str = TRAILERS) -> Distribution:
    demo = add(place, version, {"demo/jobs.py": TEXT})
    engineer = Engineer(place, demo, tmp_path / f"engineer-{version}")
    engineer.commit("Fix the tenth", {"demo/jobs.py": FIXED}, trailers)
    export.export(place, engineer.folder)
    return demo


def ported(place: Workspace, fixed: Distribution, target: Distribution, *, dry: bool = False) -> port.Ported:
    origin = port.origin_of(fixed, "fix-the-tenth")
    assert origin is not None
    return port.port(place, origin, target, dry=dry)


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
@pytest.mark.parametrize("case", TARGETS)
def test_what_becomes_of_a_patch(place: Workspace, fixed: Distribution, case: str, kind: str) -> None:
    files, fate, note = TARGETS[case]
    target = add(place, "0.9", files, kind=kind)

    assert ported(place, fixed, target, dry=True).fate is fate
    assert written(target) == {"series": b""}
    done = ported(place, fixed, target)

    assert (done.fate, done.note) == (fate, done.note if note and done.note.startswith(note) else note)
    if fate in port.WRITTEN:
        [patch] = read(target.folder)
        assert done.path == target.folder / "0001-fix-the-tenth.patch"
        assert patch.fields["Author"] == "Ada Ång <ada@example.invalid>"
        assert {path for path in files if path.startswith("demo/")} == set(patch.touched)
        assert ported(place, fixed, target).fate is Fate.THERE
    else:
        assert written(target) == {"series": b""}


def test_a_header_that_says_since_when_upstream_has_it_spares_the_conflict(place: Workspace, tmp_path: Path) -> None:
    fixed = with_fix(place, "1.0", tmp_path, TRAILERS + "Applied-Upstream: 1.2\n")
    files, _, _ = TARGETS["changed there"]

    assert ported(place, fixed, add(place, "1.1", files)).fate is Fate.CONFLICT
    later = ported(place, fixed, add(place, "1.3", files))
    assert (later.fate, later.note) == (Fate.NOT_NEEDED, "its header says upstream has it since 1.2")


def test_a_folder_that_the_target_has_elsewhere_is_said(place: Workspace, fixed: Distribution) -> None:
    origin = port.origin_of(fixed, "fix-the-tenth")
    assert origin is not None
    moving = replace(origin, moves={"demo": "demo_rbac"})
    # An older file of the same name must not be mistaken for it.
    both = {"demo/jobs.py": "old\n", "demo_rbac/jobs.py": "new\n" + TEXT}
    target = add(place, "0.9", both)

    assert port.port(place, origin, target, dry=True).fate is Fate.CONFLICT
    done = port.port(place, moving, target)

    assert done.fate is Fate.MERGED
    assert read(target.folder)[0].touched == {"demo_rbac/jobs.py"}
    other = add(place, "0.8", {"demo_rbac/jobs.py": TEXT.replace("line 10\n", "ten\n")})
    folder = port.port(place, moving, other).path
    assert folder is not None
    assert "<<<<<<< HEAD\nten\n" in (folder / "demo_rbac/jobs.py").read_text()
    nowhere = port.port(place, moving, add(place, "0.7", {"demo/other.py": "x\n"}))
    assert (nowhere.fate, nowhere.note) == (Fate.NOT_APPLICABLE, "no demo_rbac/jobs.py")


def test_only_the_patch_is_ported_not_those_before_it(place: Workspace, fixed: Distribution, tmp_path: Path) -> None:
    engineer = Engineer(place, fixed, tmp_path / "more")
    engineer.commit(
        "Second", {"demo/jobs.py": FIXED.replace("line 19\n", "LINE 19\n")}, TRAILERS + "CVE: CVE-2021-0001"
    )
    export.export(place, engineer.folder)
    target = add(place, "0.9", {"demo/jobs.py": TEXT})
    origin = port.origin_of(fixed, "CVE-2021-0001")
    assert origin is not None

    done = port.port(place, origin, target)

    assert done.path is not None
    assert b"fixed" not in done.path.read_bytes()
    assert done.fate is Fate.OFFSET


def resolve(folder: Path, text: str) -> None:
    Engineer.git(_at(folder), "status")
    (folder / "demo/jobs.py").write_text(text)
    Engineer.git(_at(folder), "add", "--all")


def _at(folder: Path) -> Engineer:
    engineer = object.__new__(Engineer)
    engineer.folder, engineer._home = folder, folder.parent
    return engineer


def test_a_conflict_waits_with_gits_markers_and_goes_on(place: Workspace, fixed: Distribution) -> None:
    target = add(place, "0.9", TARGETS["changed there"][0])
    folder = ported(place, fixed, target).path
    assert folder == place.checkout("demo-0.9")
    text = (folder / "demo/jobs.py").read_text()
    assert "<<<<<<< HEAD\nten\n" in text
    assert port.waiting(place) == (folder,)

    with pytest.raises(WorkspaceError, match=r"has conflicts left\n  demo/jobs.py"):
        port.go_on(place, folder)
    resolve(folder, text)
    with pytest.raises(WorkspaceError, match=r"has conflict markers left\n  demo/jobs.py"):
        port.go_on(place, folder)
    assert "uncommitted" in str(ported(place, fixed, target).note) or ported(place, fixed, target).path is None
    resolve(folder, TEXT.replace("line 10\n", "ten\nfixed\n"))
    [done] = port.go_on(place, folder)

    assert (done.note, done.proofs) == ("resolved by hand", ())
    assert done.path == target.folder / "0001-fix-the-tenth.patch"
    [patch] = read(target.folder)
    assert patch.fields["Author"] == "Ada Ång <ada@example.invalid>"
    assert "Conflicts" not in patch.fields["Description"]
    assert port.waiting(place) == ()


def test_a_resolution_of_nothing_is_refused(place: Workspace, fixed: Distribution) -> None:
    files = TARGETS["changed there"][0]
    folder = ported(place, fixed, add(place, "0.9", files)).path
    assert folder is not None
    resolve(folder, str(files["demo/jobs.py"]))
    with pytest.raises(WorkspaceError, match="nothing of the patch is left"):
        port.go_on(place, folder)


def test_other_ports_may_come_between_a_conflict_and_its_end(
    place: Workspace, fixed: Distribution, tmp_path: Path
) -> None:
    engineer = Engineer(place, fixed, tmp_path / "more")
    engineer.commit("Second", {"demo/new.py": "x\n"})
    export.export(place, engineer.folder)
    target = add(place, "0.9", TARGETS["changed there"][0])
    folder = ported(place, fixed, target).path
    assert folder is not None
    origin = port.origin_of(fixed, "second")
    assert origin is not None
    assert port.port(place, origin, target).fate is Fate.CLEAN

    resolve(folder, TEXT.replace("line 10\n", "ten\nfixed\n"))
    port.go_on(place, folder)

    assert [patch.name for patch in read(target.folder)] == ["0001-second.patch", "0002-fix-the-tenth.patch"]


@pytest.fixture
def stopped(place: Workspace, fixed: Distribution) -> Path:
    """The checkout of demo 0.9 in which a port waits."""
    folder = ported(place, fixed, add(place, "0.9", TARGETS["changed there"][0])).path
    assert folder is not None
    return folder


@pytest.mark.parametrize("word", ["--abort", "--skip"])
def test_a_port_that_was_aborted_with_git_is_given_up(place: Workspace, stopped: Path, word: str) -> None:
    _at(stopped).git("cherry-pick", word)

    [done] = port.go_on(place, stopped)

    assert (done.fate, done.path, done.note) == (Fate.GIVEN_UP, None, "nothing was committed")
    assert port.waiting(place) == ()
    with pytest.raises(WorkspaceError, match="no port waits in"):
        port.go_on(place, stopped)


def test_a_port_can_be_given_up_and_begun_again(place: Workspace, fixed: Distribution, stopped: Path) -> None:
    assert port.give_up(stopped).fate is Fate.GIVEN_UP

    assert port.waiting(place) == ()
    assert _at(stopped).git("status", "--short") == ""
    assert ported(place, fixed, catalogue.named(place, "demo==0.9")).path == stopped


def test_everything_that_was_committed_while_a_port_waited_is_reported(place: Workspace, stopped: Path) -> None:
    resolve(stopped, TEXT.replace("line 10\n", "ten\nfixed\n"))
    engineer = _at(stopped)
    engineer.git("commit", "--quiet", "--no-edit")
    engineer.commit("One more", {"demo/new.py": "x\n"}, TRAILERS.replace("none: a test", "test_more.py"))

    assert [(row.patch, row.note, row.proofs) for row in port.go_on(place, stopped)] == [
        ("fix-the-tenth", "resolved by hand", ()), ("one-more", "committed beside it", ("test_more.py",)),
    ]  # fmt: skip


def test_a_file_in_conflict_is_named_whole(place: Workspace, tmp_path: Path) -> None:
    one = add(place, "1.0", {"demo/a file.txt": TEXT})
    engineer = Engineer(place, one, tmp_path / "one")
    engineer.commit("Fix the tenth", {"demo/a file.txt": FIXED})
    export.export(place, engineer.folder)
    folder = ported(place, one, add(place, "0.9", {"demo/a file.txt": TEXT.replace("line 10\n", "ten\n")})).path
    assert folder is not None
    with pytest.raises(WorkspaceError, match=r"has conflicts left\n  demo/a file\.txt\n"):
        port.go_on(place, folder)


@pytest.fixture
def words(place: Workspace, fixed: Distribution, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("CERTIFIED_CACHE_DIR", str(place.cache))
    return ["-C", str(place.root), "patch", "port"]


def test_a_target_that_fails_stops_no_other(
    place: Workspace, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for version in ("0.8", "0.9", "1.1"):
        add(place, version, TARGETS["the same"][0])
    stale = "--- a/demo/jobs.py\n+++ b/demo/jobs.py\n@@ -1 +1 @@\n-gone\n+new\n"
    series(place.root / "patches/demo/0.9", {"0001-stale.patch": patch(stale)})

    assert main.main([*words, "fix-the-tenth", "--all", "--no-prove", "--json"]) == 1

    said = capsys.readouterr()
    assert {row["target"]: row["fate"] for row in json.loads(said.out)} == {
        "demo==0.8": "clean", "demo==0.9": "failed", "demo==1.1": "clean",
    }  # fmt: skip
    assert "certified: demo==0.9: " in said.err


def test_a_checkout_that_is_not_resolved_stops_no_other(
    place: Workspace, fixed: Distribution, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for version in ("0.8", "0.9"):
        ported(place, fixed, add(place, version, TARGETS["changed there"][0]))
    resolve(place.checkout("demo==0.9"), TEXT.replace("line 10\n", "ten\nfixed\n"))

    assert main.main([*words, "--continue"]) == 1

    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["failed", "merged"]
    assert main.main([*words, "--abort", "--to", "demo==0.8"]) == 0
    assert capsys.readouterr().out.split()[1:3] == ["given", "up"]
    assert main.main([*words, "--continue"]) == 2


WRONG: dict[str, tuple[str, ...]] = {
    "another distribution": ("fix-the-tenth", "--to", "other==1.0", "--dry-run"),
    "all to another distribution": ("--all", "--from", "demo==1.0", "--to", "other==1.0"),
    "a name and --continue": ("fix-the-tenth", "--continue"),
    "--all and --continue": ("--all", "--continue"),
    "--from and --abort": ("--from", "demo==1.0", "--abort"),
    "--as and --continue": ("--as", "a=b", "--continue"),
    "--dry-run and --continue": ("--dry-run", "--continue"),
}


@pytest.mark.parametrize("case", WRONG)
def test_words_that_mean_nothing_are_refused(place: Workspace, words: list[str], case: str) -> None:
    demo = (place.root / "patches/demo/1.0/distribution.toml").read_bytes()
    other = demo.replace(b"demo-1.0", b"other-1.0")
    write_tree(place.root / "patches/other/1.0", {"distribution.toml": other, "series": ""})
    assert main.main([*words, *WRONG[case]]) == 2


def test_a_target_that_has_the_patch_has_a_row(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([*words, "fix-the-tenth", "--to", "demo==1.0"]) == 0
    assert capsys.readouterr().out.startswith("demo==1.0 there already")


def test_the_verb_ports_to_all_and_says_what_became_of_each(
    place: Workspace, fixed: Distribution, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTIFIED_CACHE_DIR", str(place.cache))
    for version, case in (("0.8", "without the file"), ("0.9", "longer above"), ("1.1", "the same"), ("1.2", "fixed")):
        add(place, version, TARGETS[case][0])
    words = ["-C", str(place.root), "patch", "port"]

    assert main.main([*words, "fix-the-tenth", "--all", "--no-prove"]) == 0
    rows = sorted(line.split("  ")[0] + line[9:24].rstrip() for line in capsys.readouterr().out.splitlines())
    assert len(rows) == 4
    assert [len(read(catalogue.named(place, f"demo=={v}").folder)) for v in ("0.8", "0.9", "1.1", "1.2")] == [
        0,
        1,
        1,
        0,
    ]
    add(place, "2.0", TARGETS["changed there"][0])
    assert main.main([*words, "--all", "--to", "demo==2.0", "--no-prove"]) == 1
    assert "conflicts wait for you" in capsys.readouterr().err
    assert main.main([*words, "--continue"]) == 1
    assert "has conflicts left" in capsys.readouterr().err
    assert main.main([*words, "no-such", "--all"]) == 1
    assert "no patch is called no-such\n  fix-the-tenth\n  hint: " in capsys.readouterr().err
    assert main.main([*words]) == 2


def test_ports_to_one_series_at_once_wait_for_each_other(place: Workspace, fixed: Distribution, tmp_path: Path) -> None:
    engineer = Engineer(place, fixed, tmp_path / "more")
    for name in ("a", "b"):
        engineer.commit(f"Add {name}", {f"demo/{name}.py": "x\n"})
    export.export(place, engineer.folder)
    target = add(place, "0.9", {"demo/jobs.py": TEXT})
    with patch_folder.held(place, target):
        ports = [certified(place, "port", "--no-prove", name, "--to", "demo==0.9") for name in ("add-a", "add-b")]
        waits = [said_first(process) for process in ports]

    assert [ended(process) for process in ports] == [0, 0]
    assert ["waiting for another command" in line for line in waits] == [True, True]
    assert sorted(patch.slug for patch in read(target.folder)) == ["add-a", "add-b"]
