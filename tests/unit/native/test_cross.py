"""A Python says how it would be on another machine, and how it is to who does not ask."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from astronomer_certified.native import cross

_ASK = """\
import sysconfig
print(sysconfig.get_platform(), sysconfig.get_config_var("EXT_SUFFIX"))
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment without pip, which knows how it would be on ARM."""
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    cross.describe(folder, "aarch64")
    return folder


def asked(environment: Path, variables: dict[str, str]) -> list[str]:
    said = subprocess.run(
        [environment / "bin" / "python", "-c", _ASK],
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.split()


def test_files_and_platforms_have_the_names_of_the_other_machine(environment: Path) -> None:
    named, suffix = asked(environment, cross.variables("aarch64"))
    assert named == "linux-aarch64"
    assert suffix == f".cpython-{sys.version_info.major}{sys.version_info.minor}-aarch64-linux-gnu.so"


def test_who_does_not_ask_sees_this_machine(environment: Path) -> None:
    named, suffix = asked(environment, {})
    assert named == f"linux-{platform.machine()}"
    assert platform.machine() in suffix
