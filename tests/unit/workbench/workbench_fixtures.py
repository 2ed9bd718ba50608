"""A project with patched distributions in several versions, and an engineer who works in checkouts with plain git."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from factories import digest, sdist, tree, wheel, workspace, write_tree

from astronomer_certified.artifacts import Distribution
from astronomer_certified.project import catalogue
from astronomer_certified.workbench import checkout
from astronomer_certified.workspace import Workspace

_SDIST = """\
[upstream-wheel]
file = "demo-{version}-py3-none-any.whl"
sha256 = "{nothing}"

[build]
pythons = ">=3.6"
requires = ["setuptools<58"]

[stamp]
file = "setup.py"
line = "version = '{version}'"
"""
_MANIFEST = """\
version = "{version}"
revision = 1

[source]
kind = "{kind}"
file = "{file}"
sha256 = "{sha256}"
uploaded = 2021-05-21T12:48:09Z

"""
TRAILERS = "Origin: vendor\nBug: demo/demo#1\nProof: none: a test\n"


def project(root: Path) -> Workspace:
    """A project without anything in it."""
    made = workspace(root)
    (root / "patches" / "proofs").mkdir(parents=True)
    return made


def add(place: Workspace, version: str, files: Mapping[str, str | bytes], *, kind: str = "sdist") -> Distribution:
    """demo VERSION with an empty series; its source is in the cache."""
    name = f"demo-{version}.tar.gz" if kind == "sdist" else f"demo-{version}-py3-none-any.whl"
    source = (sdist if kind == "sdist" else wheel)(place.root / "sources" / name, files)
    cached = place.cached(digest(source), name)
    cached.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, cached)
    manifest = _MANIFEST.format(version=version, kind=kind, file=name, sha256=digest(source))
    if kind == "sdist":
        manifest += _SDIST.format(version=version, nothing="0" * 64)
    folder = place.root / "patches" / "demo" / version
    write_tree(folder, {"distribution.toml": manifest, "series": ""})
    return catalogue.named(place, f"demo=={version}")


class Engineer:
    """Somebody in a checkout, with a git configuration that would spoil diffs if it were heeded."""

    def __init__(self, place: Workspace, item: Distribution, folder: Path, *, partly: bool = False) -> None:
        self.made = checkout.make(place, item, folder, partly=partly)
        self.folder = folder
        self._home = folder.parent / "home"
        write_tree(self._home, {".gitconfig": "[diff]\n\tnoprefix = true\n\tcontext = 1\n[core]\n\tautocrlf = true\n"})

    def git(self, *words: str, status: int = 0, **env: str) -> str:
        """What git says to somebody who types these words."""
        who = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
               for what, value in (("NAME", "Ada Ång"), ("EMAIL", "ada@example.invalid"))}  # fmt: skip
        variables = {"PATH": os.environ["PATH"], "HOME": str(self._home), "GIT_EDITOR": "true", **who, **env}
        done = subprocess.run(["git", *words], cwd=self.folder, env=variables, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout.strip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        write_tree(self.folder, files)

    def commit(self, subject: str, files: Mapping[str, str | bytes | None], trailers: str = TRAILERS) -> None:
        """One more patch; a file that is None goes."""
        self.write({name: content for name, content in files.items() if content is not None})
        for name, content in files.items():
            if content is None:
                (self.folder / name).unlink()
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", f"{subject}\n\nWhy it is.\n\n{trailers}")


def written(item: Distribution) -> dict[str, bytes]:
    """The series of a distribution: its files, without the manifest."""
    return {name: content for name, content in tree(item.folder).items() if name != "distribution.toml"}


def certified(place: Workspace, *words: str) -> subprocess.Popen[str]:
    """`certified patch …` as a process of its own."""
    argv = [sys.executable, "-m", "astronomer_certified.commands.main", "-C", str(place.root), "patch", *words]
    env = {**os.environ, "CERTIFIED_CACHE_DIR": str(place.cache)}
    return subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def said_first(process: subprocess.Popen[str]) -> str:
    """The first line on its stderr; empty when it ends without one."""
    return process.stderr.readline() if process.stderr else ""


def ended(process: subprocess.Popen[str]) -> int:
    """Its exit status, once it has ended."""
    process.communicate()
    return process.returncode
