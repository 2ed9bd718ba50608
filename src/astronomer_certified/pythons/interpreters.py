"""CPython versions on this machine: on PATH, under pyenv, managed by uv; fetched by uv where that works."""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from packaging.specifiers import SpecifierSet

from astronomer_certified.artifacts import Interpreter, NotDone, Python
from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.errors import CommandFailed, EnvironmentMissing

# 64 bits, as the wheels of all releases are for x86_64.
_ASK = "import sys, platform; print(platform.python_implementation(), platform.python_version(), sys.maxsize > 2**32)"
_INSTALL_TIMEOUT = 300.0
# For builds "any Python in this range" the newest that old build backends are known to work with comes first.
_CANDIDATES = tuple(Python(3, minor) for minor in (11, 10, 9, 8, 12, 13, 14, 7, 6))

_FINDING_UV = threading.Lock()


def uv() -> Path:
    """The uv that this tool's own environment has."""
    from uv import find_uv_bin  # here: only runs that do work need it

    with _FINDING_UV:  # sysconfig, which it asks, fills its table in the first call and shows it half-full to a second
        return Path(find_uv_bin())


def _own() -> Python:
    return Python(sys.version_info.major, sys.version_info.minor)


def _places(python: Python) -> Iterator[tuple[Path, str]]:
    """Where an interpreter of that version may be, likeliest first."""
    if python == _own():
        yield Path(sys.executable), "the Python that runs this tool"
    if path := shutil.which(f"python{python}"):
        yield Path(path), "PATH"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    versions = (pyenv / "versions").glob(f"{python}.*") if (pyenv / "versions").is_dir() else ()
    for folder in sorted(versions, key=_patch_number, reverse=True):
        yield folder / "bin" / f"python{python}", "pyenv"
    if (managed := _managed(python)) is not None:
        yield managed, "uv"


def _patch_number(folder: Path) -> int:
    match = re.search(r"\.(\d+)$", folder.name)
    # As a number: 3.8.18 is newer than 3.8.9.
    return int(match.group(1)) if match else -1


def _managed(python: Python) -> Path | None:
    words: list[str | Path] = [
        uv(),
        "python",
        "find",
        "--no-config",
        "--offline",
        "--managed-python",
        "--no-python-downloads",
        str(python),
    ]
    # Only a look: by itself uv would fetch what it does not find.
    completed = run(words, check=False)
    return Path(completed.stdout.strip()) if completed.returncode == 0 else None


def _ask(executable: Path, python: Python, found: str) -> Interpreter | None:
    """The interpreter, if it starts and is a 64-bit CPython of that version (a pyenv shim may not start)."""
    if not executable.exists():
        return None
    try:
        # Isolated: no module of the present folder stands in for one of the standard library.
        words = run([executable, "-I", "-c", _ASK], timeout=30, env=clean_environment()).stdout.split()
    except (CommandFailed, EnvironmentMissing, OSError):
        return None
    implementation, version, wide = (*words, "", "", "")[:3]
    if implementation != "CPython" or wide != "True" or not version.startswith(f"{python}."):
        return None
    return Interpreter(python=python, executable=executable, full_version=version, found=found)


# Each place where it may be is a program to start.
@cache
def find(python: Python) -> Interpreter | None:
    """A CPython of that version on this machine; None where there is none and uv cannot fetch one."""
    for executable, found in _places(python):
        if (interpreter := _ask(executable, python, found)) is not None:
            return interpreter
    return _install(python)


def _install(python: Python) -> Interpreter | None:
    # `clean_environment` does not pass UV_OFFLINE on, so it must be heeded here.
    if os.environ.get("UV_PYTHON_DOWNLOADS") == "never" or os.environ.get("UV_OFFLINE"):
        return None
    try:
        # No link in the user's folder of programs: what `python3.8` means on PATH is not ours to change.
        run([uv(), "python", "install", "--no-config", "--no-bin", str(python)], timeout=_INSTALL_TIMEOUT)
    except CommandFailed:
        return None
    managed = _managed(python)
    return _ask(managed, python, "uv") if managed is not None else None


def require(python: Python, purpose: str) -> Interpreter:
    """A CPython of that version. Raises `EnvironmentMissing`, which says how to get one."""
    interpreter = find(python)
    if interpreter is None:
        missing = not_there(python, purpose)
        raise EnvironmentMissing(f"no CPython {python} on this machine: {purpose}", hint=missing.how)
    return interpreter


def require_any(wanted: SpecifierSet, purpose: str) -> Interpreter:
    """A CPython in a range, the tool's own if it fits. Raises `EnvironmentMissing`."""
    fitting = [python for python in (_own(), *_CANDIDATES) if wanted.contains(python.last)]
    for python in fitting:
        if (interpreter := find(python)) is not None:
            return interpreter
    raise EnvironmentMissing(
        f"no CPython {wanted} on this machine: {purpose}",
        hint=f"install one, e.g. `uv python install {fitting[0]}`"
        if fitting
        else "correct build.pythons in the manifest",
    )


def not_there(python: Python, what: str, kind: str = "") -> NotDone:
    """The entry for what a missing interpreter prevents."""
    return NotDone(
        what=what,
        why="no such CPython on this machine (looked on PATH, under pyenv, at uv's; uv could not fetch it)",
        how=f"`uv python install {python}` or `pyenv install {python}`, then run it again",
        kind=kind,
        python=str(python),
    )
