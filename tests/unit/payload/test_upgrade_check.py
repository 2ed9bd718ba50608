"""`astronomer-certified upgrade-check` asks by the pip of the installation, with what that is set up with."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from factories import manifest
from packaging.version import Version
from payload_fixtures import CLOSURES, KNOWN, PATCH, PYTHONS, Installed

from astronomer_certified.artifacts import Release
from astronomer_certified.build import certified_wheel

# Not what pip is set up with on this machine; and old pips warn of themselves.
NOTHING_ELSE = {"PIP_CONFIG_FILE": os.devnull, "PYTHONWARNINGS": "ignore"}


@pytest.fixture(scope="session")
def with_pip(installed: Installed) -> Installed:
    """The installation with the pip that came with its Python."""
    words = [installed.folder / "bin" / "python", "-m", "ensurepip"]
    subprocess.run(words, check=True, capture_output=True)
    return installed


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder of wheels, which pip takes for an index."""
    folder = tmp_path / "index"
    folder.mkdir()
    return folder


def publish(index: Path, revision: int) -> Path:
    """A certified wheel of that revision, which fixes one more vulnerability and asks something of operators."""
    core = replace(manifest().core, release=Release(Version("2.1.0"), revision))
    known = tuple(replace(item, status="fixed") if item.id == "CVE-2026-0002" else item for item in KNOWN)
    patch = replace(PATCH, name="fix-more", notice="Restart everything.")
    carried = certified_wheel.Carried(files={}, patches=(PATCH, patch), vulnerabilities=known)
    made = certified_wheel.build(manifest(core=core, pythons=PYTHONS), CLOSURES, carried, index)
    return made.path


def settings(index: Path) -> dict[str, str]:
    """How pip is set up: nothing is asked but the folder."""
    return {**NOTHING_ELSE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}


def test_a_newer_revision_is_told_with_what_it_fixes(with_pip: Installed, tmp_path: Path, index: Path) -> None:
    for revision in (5, 11):
        publish(index, revision)
    done = with_pip.run("upgrade-check", home=tmp_path, status=3, **settings(index))
    assert done.stdout.splitlines() == [
        "2.1.0.post4 is installed; the index has 2.1.0.post11",
        "it fixes 1 vulnerabilities that the installed one has",
        "  CVE-2026-0002: CVE-2026-0002 is bad.",
        "look at this before you upgrade:",
        "  Restart everything.",
        "with your extras: pip install 'astronomer-certified[EXTRAS]==2.1.0.post11'",
    ]
    found = json.loads(with_pip.run("upgrade-check", "--json", home=tmp_path, status=3, **settings(index)).stdout)
    assert (found["newest"], found["newer"]) == ("2.1.0.post11", True)
    assert [item["id"] for item in found["fixes"]] == ["CVE-2026-0002"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index"]


def test_the_documented_command_asks_as_pip_is_set_up(with_pip: Installed, tmp_path: Path, index: Path) -> None:
    publish(index, 5)
    terminal = with_pip.terminal(tmp_path, **settings(index))
    done = terminal.types("astronomer-certified upgrade-check", statuses=(3,))
    assert "the index has 2.1.0.post5" in done.stdout


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


def test_the_index_that_is_named_is_asked(with_pip: Installed, tmp_path: Path, index: Path) -> None:
    project = index / "simple" / "astronomer-certified"
    project.mkdir(parents=True)
    name = publish(project, 5).name
    (project / "index.html").write_text(f"<!DOCTYPE html><html><body><a href='{name}'>{name}</a></body></html>")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(index))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        words = ["--index-url", f"http://127.0.0.1:{server.server_port}/simple/"]
        done = with_pip.run("upgrade-check", *words, home=tmp_path, status=3, **NOTHING_ELSE)
        server.shutdown()
    assert "the index has 2.1.0.post5" in done.stdout


@pytest.mark.parametrize("revision", [3, 4])
def test_nothing_newer_is_told(with_pip: Installed, tmp_path: Path, index: Path, revision: int) -> None:
    publish(index, revision)
    done = with_pip.run("upgrade-check", home=tmp_path, **settings(index))
    assert done.stdout == f"2.1.0.post4 is installed; the newest on the index is 2.1.0.post{revision}\n"


def test_a_newer_revision_that_tells_nothing_of_itself_is_told(
    with_pip: Installed, tmp_path: Path, index: Path
) -> None:
    path = publish(index, 5)
    with zipfile.ZipFile(path) as wheel:
        members = {name: wheel.read(name) for name in wheel.namelist()}
    members["astronomer_certified/release.json"] = b'{"format": 9}'
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
    done = with_pip.run("upgrade-check", home=tmp_path, status=3, **settings(index))
    assert "what it fixes is not known here" in done.stdout


def test_an_index_that_has_none_is_told_without_its_password(with_pip: Installed, tmp_path: Path, index: Path) -> None:
    done = with_pip.run("upgrade-check", home=tmp_path, status=1, **settings(index))
    assert "pip found none: " in done.stderr
    assert "name the index with --index-url" in done.stderr
    # Nobody listens there.
    words = ["--index-url", "http://user:hidden@127.0.0.1:1/simple/"]
    done = with_pip.run("upgrade-check", *words, home=tmp_path, status=1, PIP_RETRIES="0", **NOTHING_ELSE)
    assert "hidden" not in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_pip_it_says_what_to_do(installed: Installed, tmp_path: Path) -> None:
    """A pip that is not there is one that cannot be imported."""
    blocker = tmp_path / "blocker"
    (blocker / "pip").mkdir(parents=True)
    (blocker / "pip" / "__init__.py").touch()
    (blocker / "pip" / "__main__.py").write_text("raise SystemExit('No module named pip')\n")
    done = installed.run("upgrade-check", home=tmp_path, status=1, PYTHONPATH=str(blocker))
    assert "pip is not installed here" in done.stderr
