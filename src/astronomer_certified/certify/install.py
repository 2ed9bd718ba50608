"""A served index -> the certified install, made by real pip with one command, and real Airflow run from it.

Works in a scratch folder; every archive that pip used is checked against the repository's hashes afterwards.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astronomer_certified.artifacts import CommandLine, Interpreter, NotDone, Release, Target
from astronomer_certified.effects.processes import run
from astronomer_certified.errors import CommandFailed, InstallError
from astronomer_certified.pythons import environments

from .checks import Check, CheckResult, Installed, checks_of, missing_services

_INSTALL_TIMEOUT = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What to install, with what, from where; `allowed` are the sha256 of all files that may be installed.

    `reports` says whether that pip can report which archives it installed.
    """

    release: Release
    target: Target
    command_line: CommandLine
    interpreter: Interpreter
    installer: Path
    reports: bool
    simple_url: str
    allowed: frozenset[str]

    @property
    def requirement(self) -> str:
        """What a user types."""
        return self.target.requirement(self.release)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where an install may write: a scratch folder, a folder of logs, and pip's cache, which outlives it."""

    scratch: Path
    logs: Path
    pip_cache: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What was tried of an install and held, in order, and what could not be tried here."""

    checks: tuple[CheckResult, ...]
    not_done: tuple[NotDone, ...]


def certify(
    installation: Installation,
    places: Places,
    progress: Callable[[str, float], None],
    checks: Sequence[Check[Installed]] | None = None,
) -> Tried:
    """The install, and every check of it that can be tried here: by default those of its command line.

    Raises `InstallError` at the first that does not hold. `progress` gets the name and the seconds of each.
    """
    environment, home = places.scratch / "environment", places.scratch / "home"
    home.mkdir()
    env = environments.of_a_user(environment, home, places.pip_cache)
    environments.create(environment, installation.interpreter)
    # The pip that the manifest states, in place of none: uv makes environments without pip.
    environments.install(environment, [installation.installer])
    place = Installed(
        release=installation.release, command_line=installation.command_line, home=home, env=env, logs=places.logs
    )
    wanted = checks_of(installation.command_line) if checks is None else checks
    install: Check[Installed] = Check(name="pip install", run=lambda place: _install(installation, environment, place))
    done, left = [], []
    for check in (install, *wanted):
        if lacking := missing_services(check, place):
            left.append(_not_tried(installation, check, lacking))
        else:
            done.append(_tried(installation, check, place))
            progress(done[-1].name, done[-1].seconds)
    return Tried(checks=tuple(done), not_done=tuple(left))


def _tried(installation: Installation, check: Check[Installed], place: Installed) -> CheckResult:
    start = time.monotonic()
    try:
        seen = check.run(place)
    except CommandFailed as err:
        raise InstallError(
            f"{installation.requirement} on Python {installation.interpreter.python}: {check.name} failed",
            details=(err.what, *err.details),
            hint=err.hint,
        ) from err
    return CheckResult(name=check.name, seconds=round(time.monotonic() - start, 1), seen=seen)


def _not_tried(installation: Installation, check: Check[Installed], lacking: Sequence[str]) -> NotDone:
    return NotDone(
        what=f"{check.name} of {installation.target}",
        why=f"no {' and no '.join(lacking)} runs beside it",
        how=f"start {' and '.join(lacking)}",
        python=str(installation.target.python),
    )


def _install(installation: Installation, environment: Path, place: Installed) -> str:
    report = place.home / "report.json"
    reporting: list[str | Path] = ["--report", report] if installation.reports else []
    words: list[str | Path] = [
        environments.python_of(environment), "-m", "pip", "install", "--index-url", installation.simple_url,
        # A source would be built with whatever is newest today, which nobody has looked at.
        "--only-binary", ":all:", *reporting, installation.requirement,
    ]  # fmt: skip
    log = place.logs / "certify-pip-install.log"
    run(words, cwd=place.home, env=place.env, timeout=_INSTALL_TIMEOUT, log=log)
    if not installation.reports:
        return "installed; this pip cannot say which archives it used"
    installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    _refuse_strangers(installed, installation.allowed)
    return f"{len(installed)} packages, every sha256 known"


def _refuse_strangers(installed: Sequence[Mapping[str, Any]], allowed: frozenset[str]) -> None:
    """Raises `InstallError` when pip reports an archive whose sha256 is not allowed."""
    strangers = [
        f"{item['metadata']['name']} {item['metadata']['version']}: {item['download_info']['url'].rsplit('/', 1)[-1]}"
        for item in installed
        # What is no archive, such as a folder, has no hash at all, and is a stranger as well.
        if item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256") not in allowed
    ]
    if strangers:
        raise InstallError(
            f"pip installed {len(strangers)} files whose sha256 this repository does not know",
            details=strangers[:20],
            hint="run `certified constraints VERSION` and look at the difference before you commit it",
        )
