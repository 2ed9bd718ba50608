"""One level of one release on one Python: installed from an index, put into operation, and what was seen.

It needs an index, uv, the Python and the servers, and nothing of the project: so it can be done on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from astronomer_certified.artifacts import CommandLine, Python, Release, Target
from astronomer_certified.pythons import interpreters

from . import levels, servers, sides
from .checks import CheckResult
from .level import Level
from .levels import Contrast, Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What to try.

    `before` is the release before it in its line, where the index has one; `services` are the programs of each server.
    """

    level: Level
    release: Release
    command_line: CommandLine
    target: Target
    before: Release | None
    simple_url: str
    services: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What was seen; the full version of the Python, and the seconds that the install took."""

    seen: Seen
    python: str
    install_seconds: float


def available(services: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """The servers that can run on this machine."""
    here = (name for name, programs in services.items() if all(map(servers.find, programs)))
    return frozenset({servers.STATSD, *here})


def carry_out(trial: Trial, upstream_wheel: Path, places: Places) -> Tried:
    """What a trial sees on this machine. Raises `InstallError`, and `EnvironmentMissing` without its Python."""
    interpreter = interpreters.require(trial.target.python, f"the level {trial.level}")
    wanted = sides.Wanted(
        release=trial.release, target=trial.target, interpreter=interpreter, simple_url=trial.simple_url,
        upstream_wheel=upstream_wheel, before=trial.before if trial.level is Level.FULL else None,
    )  # fmt: skip
    made, seconds = sides.made(wanted, places.folder)
    places.progress("installed", seconds)
    operation = levels.Operation(
        level=trial.level, release=trial.release, command_line=trial.command_line, sides=made, folder=places.folder,
        logs=places.logs, available=available(trial.services), progress=places.progress,
    )  # fmt: skip
    return Tried(seen=levels.operate(operation), python=interpreter.full_version, install_seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a trial may write, and who is told what holds and the seconds that it took."""

    folder: Path
    logs: Path
    progress: Callable[[str, float], None]


# --- on its way to another machine and back, as JSON


def to_json(trial: Trial) -> dict[str, Any]:
    """A trial in values of JSON."""
    return {
        "level": str(trial.level),
        "release": str(trial.release.certified),
        "command_line": str(trial.command_line),
        "python": str(trial.target.python),
        "extras": list(trial.target.extras),
        "before": str(trial.before.certified) if trial.before is not None else "",
        "simple_url": trial.simple_url,
        "services": {name: list(programs) for name, programs in trial.services.items()},
    }


def from_json(values: Mapping[str, Any]) -> Trial:
    """The trial of such values. Raises KeyError and ValueError for others."""
    return Trial(
        level=Level(values["level"]),
        release=_release(values["release"]),
        command_line=CommandLine(values["command_line"]),
        target=Target(python=Python.parse(values["python"]), extras=tuple(values["extras"])),
        before=_release(values["before"]) if values["before"] else None,
        simple_url=values["simple_url"],
        services={name: tuple(programs) for name, programs in values["services"].items()},
    )


def _release(certified: str) -> Release:
    from packaging.version import Version

    upstream, _, revision = certified.partition(".post")
    return Release(Version(upstream), int(revision))


def tried_to_json(tried: Tried) -> dict[str, Any]:
    """What was seen in values of JSON."""
    return asdict(tried)


def tried_from_json(values: Mapping[str, Any]) -> Tried:
    """What was seen, of such values. Raises KeyError and TypeError for others."""
    seen = values["seen"]
    return Tried(
        seen=Seen(
            checks=tuple(CheckResult(**check) for check in seen["checks"]),
            contrasts=tuple(Contrast(**contrast) for contrast in seen["contrasts"]),
            lacking={name: tuple(names) for name, names in seen["lacking"].items()},
        ),
        python=values["python"],
        install_seconds=values["install_seconds"],
    )
