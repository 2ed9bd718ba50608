"""Standard streams that are closed, full, or in an encoding that lacks what is said: no verb dies of its output."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from factories import ROOT, digest, patch, sdist, series, workspace, write_tree
from packaging.version import Version

from astronomer_certified.workbench import changelog
from astronomer_certified.workspace import Workspace

VERSION = "2.0.2"
SUBJECT = "Mend the Größe of a task — and no other"
FILE = "--- a/demo.py\n+++ b/demo.py\n@@ -1 +1 @@\n-a\n+b\n"

HELP = ["--help"]
LIST = ["patch", "list"]
CHANGELOG = ["changelog", VERSION]
VERBS = [
    HELP,
    ["patch", "port", "--help"],
    LIST,
    ["patch", "checkout", "demo==1.0"],
    CHANGELOG,
    ["bump", VERSION, "--force"],
    ["releases"],
    ["index", "verify"],
    ["index", "users", "add", "ann"],
]

# What a terminal says of its encoding: nothing that Python heeds, nothing at all, and something of its own.
ENCODINGS = {
    "C": {"LC_ALL": "C"},
    "C, literally": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII": {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
    "Latin-1": {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1:strict"},
}


def project(root: Path) -> Workspace:
    """A project with 2.0.2, whose one patch says what it is with letters that not every terminal has."""
    for path in (*ROOT.glob("patches/*/*/*"), ROOT / f"patches/{VERSION}/release.toml"):
        write_tree(root, {path.relative_to(ROOT).as_posix(): path.read_bytes()})
    write_tree(root, {"advisories/.keep": "", "patches/proofs/test_none.py": ""})
    made = workspace(root)
    series(root / "patches" / VERSION, {"0001-mend.patch": patch(FILE, Description=SUBJECT, CVE="CVE-2021-0001")})
    changelog.write(made, Version(VERSION))
    repair(made)
    return made


def repair(place: Workspace) -> None:
    """The project has a demo 1.0 with one patch, too, whose source is in the cache."""
    source = sdist(place.root / "sources" / "demo-1.0.tar.gz", {"demo.py": "a\n", "setup.py": "version = '1.0'\n"})
    folder = place.root / "patches" / "demo" / "1.0"
    text = (
        f'version = "1.0"\nrevision = 1\n\n[source]\nkind = "sdist"\nfile = "{source.name}"\n'
        f'sha256 = "{digest(source)}"\nuploaded = 2021-05-21T12:48:09Z\n\n'
        f'[upstream-wheel]\nfile = "demo-1.0-py3-none-any.whl"\nsha256 = "{"0" * 64}"\n\n'
        '[build]\npythons = ">=3.6"\nrequires = ["setuptools<58"]\n\n'
        '[stamp]\nfile = "setup.py"\nline = "version = \'1.0\'"\n'
    )
    write_tree(folder, {"distribution.toml": text})
    series(folder, {"0001-mend.patch": patch(FILE, Description=SUBJECT)})
    cached = place.cached(digest(source), source.name)
    cached.parent.mkdir(parents=True)
    source.rename(cached)


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return project(tmp_path / "project")


def certified(
    place: Workspace, *words: str, streams: str = "", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """`certified …` with its streams as that shell leaves them; the streams that it does not name are caught."""
    argv = [sys.executable, "-m", "astronomer_certified.commands.main", "-C", str(place.root), *words]
    environment = {"PATH": os.environ["PATH"], "HOME": str(place.root), "CERTIFIED_CACHE_DIR": str(place.cache)}
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {streams}', "sh", *argv],
        env={**environment, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


# --- streams that take nothing


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_what_stdout_does_not_take_is_one_clear_error(place: Workspace, words: list[str]) -> None:
    closed = certified(place, *words, streams=">&-")

    assert closed.returncode == 1, closed.stderr
    assert closed.stderr.splitlines()[-1] == b"certified: standard output: Bad file descriptor"
    assert b"Traceback" not in closed.stderr


@pytest.mark.parametrize("words", [HELP, LIST], ids=" ".join)
def test_a_full_disk_below_stdout_is_one_clear_error(place: Workspace, words: list[str]) -> None:
    full = certified(place, *words, streams="> /dev/full")

    assert full.returncode == 1
    assert full.stderr.startswith(b"certified: standard output: No space left on device\n  hint: ")
    assert full.stderr.count(b"\n") == 2


@pytest.mark.parametrize("words", [HELP, LIST, ["index", "verify"]], ids=" ".join)
def test_a_reader_who_has_enough_ends_every_verb_quietly(place: Workspace, words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    argv = [sys.executable, "-m", "astronomer_certified.commands.main", "-C", str(place.root), *words]
    try:
        done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writing)

    assert done.returncode == 141
    assert b"certified: " not in done.stderr
    assert b"Exception" not in done.stderr


def test_a_wrong_usage_stays_one_whatever_stdout_is(place: Workspace) -> None:
    assert certified(place, "build", "x.y", streams=">&-").returncode == 2


def test_what_is_meant_for_a_closed_stderr_gets_nowhere_else(place: Workspace) -> None:
    usual = certified(place, "index", "verify")
    assert b"verify: " in usual.stderr

    for streams in ("2>&-", "2> /dev/full"):
        done = certified(place, "index", "verify", streams=streams)
        assert (done.returncode, done.stdout, done.stderr) == (0, usual.stdout, b"")
    assert certified(place, "check", "9.9.9", streams="2>&-").stdout == b""


def test_no_file_gets_what_is_meant_for_a_closed_stream(place: Workspace) -> None:
    """The lowest number that is free is that of the next file: a lock, a record or the changelog itself."""
    usual = certified(place, "changelog", VERSION, "--write")
    before = {path: path.read_bytes() for path in (place.root / "patches" / VERSION).iterdir()}

    done = certified(place, "changelog", VERSION, "--write", streams="0>&- >&- 2>&-")

    assert (usual.returncode, done.returncode) == (0, 1)
    assert {path: path.read_bytes() for path in (place.root / "patches" / VERSION).iterdir()} == before


def test_without_a_stdin_nothing_is_read(place: Workspace) -> None:
    done = certified(place, "index", "users", "add", "ann", streams="<&-")

    assert done.returncode == 0
    assert done.stdout.startswith(b"ann may upload with the password ")


# --- encodings


def test_a_terminal_that_knows_ascii_alone_is_shown_progress_in_ascii(place: Workspace) -> None:
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "astronomer_certified.commands.main", "-C", str(place.root), "index", "verify"]
    env = {"PATH": os.environ["PATH"], "HOME": str(place.root), "TERM": "vt100", "PYTHONIOENCODING": "ascii"}
    shown = b""
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # EIO: nobody has the other side open any more
            while piece := os.read(ours, 1 << 16):
                shown += piece
    os.close(ours)
    assert process.returncode == 0
    assert b"verify: " in shown
    assert b"\\u" not in shown


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_a_terminal_cannot_show_is_shown_in_other_words(place: Workspace, encoding: str) -> None:
    shown = {"C": SUBJECT.encode(), "Latin-1": SUBJECT.encode("latin-1", "backslashreplace")}

    for words in (CHANGELOG, LIST, ["patch", "list", VERSION]):
        done = certified(place, *words, env=ENCODINGS[encoding])
        assert done.returncode == 0, done.stderr
        if words == CHANGELOG:
            assert shown.get(encoding, SUBJECT.encode("ascii", "backslashreplace")) in done.stdout
    refused = certified(place, "patch", "list", "--cve", "Größe—", env=ENCODINGS[encoding])
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"certified: neither a patch nor a record of advisories/ or maintenance/: Gr")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["prüfung — größe".encode(), "prüfung".encode("latin-1")], ids=["UTF-8", "Latin-1"])
def test_a_project_may_stand_in_a_folder_of_any_name(tmp_path: Path, encoding: str, name: bytes) -> None:
    place = project(tmp_path / os.fsdecode(name))
    env = ENCODINGS[encoding]

    made = certified(place, "patch", "checkout", "demo==1.0", env=env)
    assert made.returncode == 0, made.stderr
    folder = os.fsencode(place.checkout("demo==1.0"))
    if "PYTHONIOENCODING" in env:  # another one than that of file names: what it lacks is shown
        assert made.stdout.endswith(b"checkouts/demo-1.0\n")
    else:
        assert made.stdout == folder + b"\n"
    exported = certified(place, "patch", "export", "demo==1.0", env=env)
    assert (exported.returncode, b": 1 patch unchanged" in exported.stdout) == (0, True), exported.stderr
    unknown = certified(place, "check", "9.9.9", env=env)
    assert (unknown.returncode, b"patches/9.9.9/release.toml: no such file" in unknown.stderr) == (1, True)
