"""A build gets what is locked, and nothing else: not over the network, and not by old ways of setuptools."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from factories import write_tree

from astronomer_certified.build import backends
from astronomer_certified.errors import BuildError

PYPROJECT = """
[build-system]
requires = []
build-backend = "greedy"
backend-path = ["."]
"""
GREEDY = """
import urllib.request

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    urllib.request.urlopen("{url}", timeout=5)
"""


@pytest.fixture
def heard() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and what it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", paths
        server.shutdown()
        thread.join()


def environment_of(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    return folder


def test_a_backend_that_wants_the_network_does_not_get_it(tmp_path: Path, heard: tuple[str, list[str]]) -> None:
    url, paths = heard
    source = tmp_path / "source"
    write_tree(source, {"pyproject.toml": PYPROJECT.encode(), "greedy.py": GREEDY.format(url=url).encode()})
    (tmp_path / "scratch").mkdir()

    places = backends.Places(scratch=tmp_path / "scratch", log=tmp_path / "log")
    with pytest.raises(BuildError, match="Connection refused"):
        backends.build_wheel_in(environment_of(tmp_path / "environment"), source, 0, places)

    assert paths == []


@pytest.mark.parametrize(("build_meta", "changed"), [("", True), ("def no_install_setup_requires(): ...", False)])
def test_only_setuptools_that_would_fetch_what_setup_requires_names_are_kept_from_it(
    tmp_path: Path, build_meta: str, changed: bool
) -> None:
    site = tmp_path / "lib" / "python3.7" / "site-packages"
    write_tree(site, {"setuptools/build_meta.py": build_meta.encode()})

    backends._ask_for_nothing(tmp_path)

    assert (site / "sitecustomize.py").is_file() == changed
