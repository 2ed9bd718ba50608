"""Archives of C libraries come through apt, from the mirrors that it is told to use."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import fake_compiler
import pytest
from fake_project import Project

from documented import Terminal

pytestmark = pytest.mark.skipif(not Path("/usr/lib/apt/apt-helper").is_file(), reason="no apt on this machine")

RECIPE = 'links = ["tiny"]\n'


@contextlib.contextmanager
def mirror(folder: Path) -> Iterator[str]:
    """The address of a web server for that folder."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def linked(project: Project, tmp_path: Path) -> Project:
    recipes = project.root / "constraints" / "builds.toml"
    recipes.write_text(recipes.read_text() + RECIPE)
    (project.root / "constraints" / "native.toml").write_text(fake_compiler.record(str(tmp_path)))
    return project


def test_the_first_mirror_that_has_an_archive_gives_it(linked: Project, tmp_path: Path) -> None:
    pool = tmp_path / "full" / "pool" / "main" / "t" / "tiny"
    pool.mkdir(parents=True)
    fake_compiler.write_archives(pool, str(tmp_path))
    (tmp_path / "empty").mkdir()
    with mirror(tmp_path / "empty") as empty, mirror(tmp_path / "full") as full:
        finished = linked.run("wheelhouse", **fake_compiler.apt_for(tmp_path / "apt", f"{empty}/", full))
    assert finished.status == 0, finished.stderr
    assert "the C library tiny 1.0" in finished.stderr


def test_what_a_mirror_has_with_another_content_is_refused(linked: Project, tmp_path: Path) -> None:
    pool = tmp_path / "full" / "pool" / "main" / "t" / "tiny"
    pool.mkdir(parents=True)
    fake_compiler.write_archives(pool, "another content")
    with mirror(tmp_path / "full") as full:
        refused = linked.run("wheelhouse", **fake_compiler.apt_for(tmp_path / "apt", full))
    assert refused.status == 1
    assert f"{fake_compiler.LIBRARY} does not have the sha256 that this repository says" in refused.stderr


def test_an_archive_that_no_mirror_has_is_named_with_what_to_do(linked: Project, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with mirror(tmp_path / "empty") as empty:
        refused = linked.run("wheelhouse", **fake_compiler.apt_for(tmp_path / "apt", empty))
    assert refused.status == 1
    assert f"no mirror of this machine's apt has {fake_compiler.LIBRARY}" in refused.stderr
    assert "name it in CERTIFIED_SOURCES_DIR" in refused.stderr
    assert "Traceback" not in refused.stderr


SOURCES = """\
Package: tiny
Binary: libtiny
Version: 1.0-1
Directory: pool

Package: tiny
Binary: libtiny
Version: 1.0-1+deb9u1
Directory: pool
"""


def sources_for(folder: Path, address: str) -> dict[str, str]:
    """The variable by which apt finds a configuration with that mirror alone, of which it believes everything."""
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "own.list").write_text(f"deb [trusted=yes] {address} ./\n")
    (folder / "apt.conf").write_text(
        f'Dir::Etc::SourceList "/dev/null";\nDir::Etc::SourceParts "{folder}/parts";\nAcquire::http::Proxy "DIRECT";\n'
    )
    return {"APT_CONFIG": str(folder / "apt.conf")}


def test_libraries_stand_beside_what_debian_has_now(linked: Project, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "Sources").write_text(SOURCES)
    with mirror(tmp_path / "mirror") as address:
        settings = sources_for(tmp_path / "apt", address)
        terminal = Terminal(folder=linked.root, env=linked.environment(**settings))
        table = terminal.types("certified audit --libraries")
        [found] = json.loads(linked.certified("audit", "--libraries", "--json", **settings).stdout)
    assert table.stdout.splitlines()[1].split()[:4] == ["tiny", "1.0", "1.0-1", "1.0-1+deb9u1"]
    assert found["verdict"] == "Debian has other patches"
    assert found["newest"] == "1.0-1+deb9u1"


def test_a_library_that_no_mirror_has_is_told_as_such(linked: Project, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "Sources").write_text(SOURCES.replace("tiny", "other"))
    with mirror(tmp_path / "mirror") as address:
        told = linked.certified("audit", "--libraries", **sources_for(tmp_path / "apt", address))
    assert told.status == 0, told.stderr
    assert "the mirrors of this machine do not have it" in told.stdout


def test_mirrors_that_do_not_answer_are_one_message(linked: Project, tmp_path: Path) -> None:
    refused = linked.certified("audit", "--libraries", **sources_for(tmp_path / "apt", "http://127.0.0.1:1"))
    assert refused.status == 1
    assert "the mirrors of this machine's apt do not say what they have" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_without_apt_it_is_said_where_to_ask(linked: Project, tmp_path: Path) -> None:
    refused = linked.certified("audit", "--libraries", PATH=str(tmp_path))
    assert refused.status == 1
    assert "apt-get and apt-cache and apt-config and dpkg not found" in refused.stderr


def test_libraries_are_those_of_all_releases(linked: Project) -> None:
    refused = linked.certified("audit", "--libraries", "--list")
    assert refused.status == 2
    assert "--libraries goes with --json only" in refused.stderr
