"""One level of one release on one Python: installed from an index, put into operation, and what was seen.

It needs an index, uv, the Python and the servers, and nothing of the project: so it can be done on another machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from astronomer_certified.artifacts import CommandLine, Python, Release, Target
from astronomer_certified.formats.json_records import parsed
from astronomer_certified.pythons import interpreters

from . import levels, servers, sides
from .level import Level
from .levels import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What to try.

    `wheels` are the sha256 of its core wheel and its certified wheel, by `NAME==VERSION`: no others are tried. `before`
    is the release before it in its line, where the index has one; `services` are the programs of each server.
    """

    level: Level
    release: Release
    command_line: CommandLine
    target: Target
    wheels: Mapping[str, str]
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
        upstream_wheel=upstream_wheel, wheels=trial.wheels,
        before=trial.before if trial.level is Level.FULL else None,
    )  # fmt: skip
    made, seconds = sides.made(wanted, places.folder)
    places.progress("installed", seconds)
    operation = levels.Operation(
        level=trial.level, release=trial.release, command_line=trial.command_line, sides=made, folder=places.folder,
        logs=places.logs, available=available(trial.services), progress=places.progress,
    )  # fmt: skip
    return Tried(seen=levels.operate(operation), python=interpreter.full_version, install_seconds=seconds)


def not_as_asked(trial: Trial, tried: Tried) -> tuple[str, ...]:
    """What of an answer is none to this trial: another Python, a check that is missing, unknown, or told of twice."""
    asked = {check.name: check for check in levels.checks_of(trial.level, trial.command_line, _before(trial))}
    told = Counter([*(check.name for check in tried.seen.checks), *tried.seen.lacking])
    wrong = [f"{name}: nothing is told of it" for name in asked if name not in told]
    wrong += [f"{name}: nobody asked for it" for name in told if name not in asked]
    wrong += [f"{name}: told of {times} times" for name, times in told.items() if times > 1]
    wrong += [
        f"{name}: not done for want of {', '.join(names) or 'nothing'}, which it does not need"
        for name, names in tried.seen.lacking.items()
        if name in asked and not (names and asked[name].needs.issuperset(names))
    ]
    if tried.python.rpartition(".")[0] != str(trial.target.python):
        wrong.append(f"Python {tried.python}: asked for was {trial.target.python}")
    return tuple(wrong)


def _before(trial: Trial) -> str:
    return str(trial.before.upstream) if trial.before is not None else ""


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
        "wheels": dict(trial.wheels),
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
        wheels=dict(values["wheels"]),
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
    """What was seen, of such values. Raises ValueError for others."""
    found: Tried = parsed(Tried, values)
    return found
