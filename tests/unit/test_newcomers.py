"""What somebody meets who has just cloned this: tests that say what they lack, and a script that brings it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from factories import ROOT

SCRIPT = ROOT / "scripts" / "install-system-packages"
# Stands for id, dpkg-query and apt-get: nothing is installed, and one package cannot be had.
APT = """#!/bin/sh
case "${0##*/}" in
    id) echo "$USER_ID" ;;
    dpkg-query) exit 1 ;;
    apt-get) echo "$*" >> "$LOG"; case " $* " in *" chromium "*) exit 100 ;; esac ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a Debian machine."""
    (tmp_path / "bin").mkdir()
    for name in ("id", "dpkg-query", "apt-get"):
        (tmp_path / "bin" / name).write_text(APT)
        (tmp_path / "bin" / name).chmod(0o755)
    return {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "LOG": str(tmp_path / "log"), "USER_ID": "0"}


def run_script(machine: dict[str, str], *packages: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *packages], env=machine, capture_output=True, text=True, check=False)


def test_whoever_lacks_a_program_is_told_last_what_was_skipped_and_how_to_get_it(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "tests")]
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [*words, "tests/integration/test_index_pages.py"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    *_, hint, sums = done.stdout.splitlines()
    assert hint == "skipped: 24 for want of chromium; `make system-packages` installs it (Debian, as root)"
    assert sums.startswith("24 skipped")


def test_a_package_that_cannot_be_had_keeps_no_other_away(machine: dict[str, str]) -> None:
    done = run_script(machine, "chromium", "nginx-light")

    assert (done.returncode, done.stderr) == (1, "could not be installed: chromium\n")
    asked = Path(machine["LOG"]).read_text().splitlines()
    assert asked[0].endswith(" update")
    assert {line.rpartition(" ")[2] for line in asked[2:]} >= {"build-essential", "chromium", "nginx-light"}


def test_who_is_not_root_is_told_what_to_install(machine: dict[str, str]) -> None:
    done = run_script({**machine, "USER_ID": "1000"}, "nginx-light")

    assert done.returncode == 1
    missing, hint = done.stderr.splitlines()
    assert missing.startswith("missing system packages: build-essential ")
    assert hint.startswith("  hint: as root, apt-get install build-essential ")
    assert hint.endswith(" nginx-light")
    assert not Path(machine["LOG"]).exists()


def test_make_brings_what_tests_need() -> None:
    needed = {
        "nginx": "nginx-light", "chromium": "chromium", "systemd-analyze": "systemd",
        "mariadbd": "mariadb-server-core", "slapd": "slapd", "krb5kdc": "krb5-kdc",
    }  # fmt: skip
    done = subprocess.run(
        ["make", "--dry-run", "system-packages"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert set(needed.values()) <= set(done.stdout.split())
    for path in ROOT.glob("tests/**/test_*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "pytest.mark.needs(" in line and path != Path(__file__):
                assert line.split('"')[1] in needed, line
