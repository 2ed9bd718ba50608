"""A served index + constraints/installers/ -> what installers of the era and of today make of the certified wheel.

Each gets a clean environment, one command, and no constraints; what it installed must agree with itself (`pip check`)
and start. Works in a scratch folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import Interpreter, Python, Release
from astronomer_certified.effects.processes import run
from astronomer_certified.errors import CommandFailed, ManifestError
from astronomer_certified.pythons import environments, interpreters

_TIMEOUT = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """One version of a program that installs wheels; `requirements` is its hashed pin, None for the tool's own uv."""

    name: str
    version: Version
    requirements: Path | None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one installer made of one release: `seconds` for the installation, `failure` empty when all went well."""

    installer: str
    seconds: float
    failure: str


def of(folder: Path, python: Python) -> tuple[Installer, ...]:
    """The pips of constraints/installers/ that run on a Python, oldest first, and uv.

    Raises `ManifestError` for a file that does not begin with one pin.
    """
    found = []
    for path in folder.glob("*.txt"):
        requirement = _first_pin(path)
        if python.fits(requirement):
            version = Version(next(iter(requirement.specifier)).version)
            found.append(Installer(name=canonicalize_name(requirement.name), version=version, requirements=path))
    own = run([interpreters.uv(), "--version"]).stdout.split()[1]
    pips = sorted(found, key=lambda installer: installer.version)
    return (*pips, Installer(name="uv", version=Version(own), requirements=None))


def ends(found: tuple[Installer, ...]) -> tuple[Installer, ...]:
    """The oldest pip, the newest, and uv: what is tried on the further Pythons of a release."""
    *pips, own = found
    # Once where the oldest is the newest as well.
    return (*dict.fromkeys((*pips[:1], *pips[-1:])), own)


def _first_pin(path: Path) -> Requirement:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            try:
                # Its hashes follow on the next lines.
                requirement = Requirement(line.removesuffix("\\").strip())
                [pin] = requirement.specifier
                Version(pin.version)
            except ValueError:
                break
            return requirement
    raise ManifestError(f"{path} does not begin with one hashed pin", hint="git checkout it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What every installer is asked for: a requirement, on a Python, from an index; the release it must bring."""

    requirement: str
    release: Release
    interpreter: Interpreter
    simple_url: str


def trial(installer: Installer, wanted: Wanted, scratch: Path) -> Trial:
    """What the installer made of what is wanted. What it cannot do is in the record, not raised."""
    environment, home = scratch / "environment", scratch / "home"
    home.mkdir(parents=True)
    environments.create(environment, wanted.interpreter)
    # The installer's own cache stays cold and local: what it does is what a new user sees.
    env = environments.of_a_user(environment, home, home / "cache")
    python = environments.python_of(environment)
    wheels_only: list[str | Path] = ["--index-url", wanted.simple_url, "--only-binary", ":all:", wanted.requirement]
    if installer.requirements is None:
        into: list[str | Path] = ["--no-config", "--python", python]
        install: list[str | Path] = [interpreters.uv(), "pip", "install", *into, *wheels_only]
        check: list[str | Path] = [interpreters.uv(), "pip", "check", *into]
    else:
        environments.install(environment, [installer.requirements])
        install = [python, "-m", "pip", "install", *wheels_only]
        check = [python, "-m", "pip", "check"]

    def act() -> None:
        run(install, cwd=home, env=env, timeout=_TIMEOUT)

    start = time.monotonic()
    failure = _failure("install", act)
    seconds = round(time.monotonic() - start, 1)
    failure = failure or _failure("pip check", lambda: run(check, cwd=home, env=env))
    failure = failure or _failure("airflow version", lambda: _says(wanted.release, python, env, home))
    return Trial(installer=str(installer), seconds=seconds, failure=failure)


def _says(release: Release, python: Path, env: dict[str, str], home: Path) -> None:
    printed = run([python.with_name("airflow"), "version"], cwd=home, env=env).stdout
    if not release.is_named_by(printed):
        raise CommandFailed(f"it does not say {release.patched}", details=printed.splitlines()[-3:])


def _failure(what: str, act: Callable[[], object]) -> str:
    """What went wrong, in one line; empty when nothing did."""
    try:
        act()
    except CommandFailed as err:
        return f"{what}: {next((line.strip() for line in reversed(err.details) if line.strip()), err.what)}"
    return ""
