"""Proofs + environments -> outcomes. Proofs that can share a process are forks of one; works in scratch folders."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from astronomer_certified.effects.disk import digest, sha256_of
from astronomer_certified.effects.processes import clean_environment, conversation, ending
from astronomer_certified.pythons import environments

from . import proof_server
from .proofs import Outcome, cases

# The slowest proof took 197 s for a side where six others wanted each processor, and a minute otherwise.
_TIMEOUT = 300.0
_MEMORY = 4 << 30

# A process for each proof that says so, one for all that use the web applications, one for all others.
_FRESH = re.compile(r"^pytestmark\s*=.*\bfresh_process\b", re.MULTILINE)
_UI = re.compile(r"^(?:import ui|from ui import)\b", re.MULTILINE)

# Proofs for which it is worth while to start another process that prepares itself.
_ENOUGH = 6


class Kind(StrEnum):
    """What a proof shares with others: `prepare(KIND)` of the proofs' conftest.py makes it."""

    PLAIN = "plain"
    UI = "ui"
    FRESH = "fresh"

    @classmethod
    def of(cls, text: str) -> Kind:
        """The kind of a proof, by its text: it says itself when it must be alone."""
        if _FRESH.search(text):
            return cls.FRESH
        return cls.UI if _UI.search(text) else cls.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where proofs are run: their folder, an environment for each proof and side to run, scratch space, and logs.

    `progress` gets a proof with its side, and the seconds that it took.
    """

    folder: Path
    environments: Mapping[tuple[str, str], Path]
    scratch: Path
    logs: Path
    jobs: int
    progress: Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Proofs that are forks of one process, in one environment; of the kind `FRESH`, one that shares nothing."""

    environment: Path
    kind: Kind
    runs: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        name, side = self.runs[0]
        return f"{Path(name).stem}-{side}-{self.kind}"


def outcomes(bench: Bench) -> dict[tuple[str, str], Outcome]:
    """What came of each proof and side of the bench. Raises `CommandFailed` when what they share cannot be made."""
    groups = _groups(bench)
    with ThreadPoolExecutor(max_workers=bench.jobs) as pool:
        found = [pool.submit(_ran, group, bench) for group in groups]
        return {key: outcome for future in found for key, outcome in future.result().items()}


def _groups(bench: Bench) -> list[_Group]:
    """The groups, those first that take longest: a server or a daemon that a proof starts is one of those alone."""
    shared: dict[tuple[Path, Kind], list[tuple[str, str]]] = {}
    alone = []
    for (name, side), environment in bench.environments.items():
        kind = Kind.of((bench.folder / name).read_text(encoding="utf-8"))
        if kind is Kind.FRESH:
            alone.append(_Group(environment=environment, kind=kind, runs=((name, side),)))
        else:
            shared.setdefault((environment, kind), []).append((name, side))
    groups = []
    for (environment, kind), runs in shared.items():
        # Each part prepares itself, which only many proofs make up for; and no more than can run at once.
        parts = max(1, min(len(runs) // _ENOUGH, bench.jobs // max(1, len(shared))))
        groups += [_Group(environment=environment, kind=kind, runs=tuple(runs[part::parts])) for part in range(parts)]
    return alone + sorted(groups, key=lambda group: -len(group.runs))


def _ran(group: _Group, bench: Bench) -> dict[tuple[str, str], Outcome]:
    return dict(_each(group, bench))


def _each(group: _Group, bench: Bench) -> Iterator[tuple[tuple[str, str], Outcome]]:
    with _place(group, bench) as (here, home, env):
        words: list[str | Path] = [environments.python_of(group.environment), "-B", Path(proof_server.__file__)]
        log = bench.logs / f"{group.title}.log"
        with conversation([*words, group.kind, home], cwd=here, env=env, log=log) as server:
            server.heard()
            for name, side in group.runs:
                report, output = here.parent / "report.xml", bench.logs / f"{Path(name).stem}-{side}.txt"
                # A proof that writes none must not be judged by that of the one before.
                report.unlink(missing_ok=True)
                pytest = list(map(str, _words(here, report, name)))
                asked = {"words": pytest, "output": str(output), "timeout": _TIMEOUT, "memory": _MEMORY}
                answer = json.loads(server.ask(json.dumps(asked)))
                said = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
                found = cases(report) if report.is_file() else ()
                ended = _ended(answer, reported=report.is_file())
                bench.progress(f"{name} on {side}", answer["seconds"])
                yield (name, side), Outcome(cases=found, seconds=answer["seconds"], output=said, ended=ended)


def _ended(answer: Mapping[str, Any], *, reported: bool) -> str:
    """How a proof ended that did not end by itself, with a report of its tests; empty for the others."""
    if answer["ended"] == "time":
        return f"did not end within {_TIMEOUT:g} s, and was ended"
    if answer["ended"] == "memory":
        return f"took more than {_MEMORY / (1 << 30):g} GiB of memory, and was ended"
    return "" if reported else ending(answer["status"])


def _words(here: Path, report: Path, name: str) -> list[str | Path]:
    """What pytest is told."""
    return ["-c", "/dev/null", "--rootdir", here, "-p", "no:cacheprovider", "--junitxml", report, "-q", name]


@contextmanager
def _place(group: _Group, bench: Bench) -> Iterator[tuple[Path, Path, dict[str, str]]]:
    """A copy of the proofs, a home that is theirs alone, and the variables of their processes."""
    place = bench.scratch / group.title
    # A copy, so that no configuration above the project's folder reaches the proofs, nor a cache of theirs the project.
    here, home = place / "proofs", place / "home"
    shutil.copytree(bench.folder, here, ignore=shutil.ignore_patterns("__pycache__"))
    (home / "tmp").mkdir(parents=True)
    env = clean_environment(
        HOME=str(home),
        TMPDIR=str(home / "tmp"),
        PYTHONDONTWRITEBYTECODE="1",
        # The order of a set is the same in each run: by it, upstream's masker hides one secret or another.
        PYTHONHASHSEED="0",
        PROOF_HOME=str(home / "airflow"),
        PROOF_DATABASES=str(_databases(group.environment, bench.folder)),
    )
    env["PATH"] = f"{group.environment / 'bin'}:{env.get('PATH', '')}"
    try:
        yield here, home, env
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _databases(environment: Path, folder: Path) -> Path:
    """Where databases are kept that hold what a fresh one does: with the environment, by the code that makes them."""
    shared = sorted(path for path in folder.glob("*.py") if not path.name.startswith("test_"))
    return environment / "databases" / digest(*map(sha256_of, shared))[:16]


def by_hand(environment: Path, folder: Path, name: str) -> str:
    """What a person types to run a proof in an environment."""
    # Airflow looks for gunicorn and its own command along PATH.
    path, alone = f"{environment / 'bin'}:$PATH", "-c /dev/null --rootdir . -p no:cacheprovider"
    return f"cd {folder} && PATH={path} python -m pytest {alone} {name}"
