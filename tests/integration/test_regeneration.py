"""The committed constraints of every release are what its manifest resolves to, today as on the day they were made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from astronomer_certified.project import manifest
from astronomer_certified.pythons import interpreters
from astronomer_certified.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = sorted(path.parent.name for path in (ROOT / "patches").glob("*/release.toml"))
# A resolution takes a minute. One tells whether regenerating works; whether each release is stable, all of them.
QUICK = "1.10.15"


@pytest.mark.network
@pytest.mark.parametrize(
    "version",
    [version if version == QUICK else pytest.param(version, marks=pytest.mark.every_release) for version in VERSIONS],
)
def test_regenerated_constraints_are_the_committed_ones(tmp_path: Path, version: str) -> None:
    stated = manifest.load(Workspace.at(ROOT), Version(version))
    missing = [str(python) for python in stated.pythons if interpreters.find(python) is None]
    if missing:
        pytest.skip(f"no CPython {', '.join(missing)} on this machine: resolving needs every Python of the release")
    words = [sys.executable, "-m", "astronomer_certified.commands.main", "-C", str(ROOT), "constraints", version]
    done = subprocess.run([*words, "--output", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

    committed = ROOT / "constraints" / version
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in committed.iterdir())
    for path in tmp_path.iterdir():
        assert path.read_text() == (committed / path.name).read_text(), path.name
