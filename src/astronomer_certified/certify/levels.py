"""The levels *full* and *services*: a release in operation beside real servers, and what of it upstream does otherwise.

The same is done with upstream's wheel in place of ours: both sides must see the same, but for what a patch explains.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from astronomer_certified.artifacts import CommandLine, Release
from astronomer_certified.effects.processes import free_port
from astronomer_certified.errors import CommandFailed, InstallError
from astronomer_certified.pythons import environments

from . import full_level, servers, services_level
from .checks import Check, CheckResult
from .daemons import Daemons
from .deployment import DATABASE, Backends, Deployment, settings
from .level import Level
from .servers import LDAP, MARIADB, POSTGRESQL, REDIS, STATSD, Database

# What both levels install: broker and databases of the architecture document, statistics, and people from LDAP.
EXTRAS = ("celery", "cncf.kubernetes", "ldap", "mysql", "postgres", "redis", "statsd")
_TASKS = 200
# Upstream's side is there to be compared, and nothing of it is killed.
_UPSTREAM_TASKS = 24


# The part of a check that does not hold on upstream at all, and of one that differs in no part of its own.
WHOLE = "all of it"
_FAILS = "fails: "
_EXECUTORS = {Level.FULL: "LocalExecutor", Level.SERVICES: "CeleryExecutor"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The environments of a level: with the certified release, and with upstream's wheel instead.

    Where the index has it, an `earlier` one has the certified release of the version `before` it in its line.
    """

    certified: Path
    upstream: Path
    earlier: Path | None = None
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Something that the two sides see differently: of which check, which part of it, and what each sees."""

    check: str
    part: str
    upstream: str
    certified: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a release in operation, what upstream does otherwise, and what lacks which servers."""

    checks: tuple[CheckResult, ...]
    contrasts: tuple[Contrast, ...]
    lacking: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A release to put into operation, where: a folder of its own and one for logs, with which of the servers.

    `progress` is told each check and its seconds, by two threads.
    """

    level: Level
    release: Release
    command_line: CommandLine
    sides: Sides
    folder: Path
    logs: Path
    available: frozenset[str]
    progress: Callable[[str, float], None]
    tasks: int = _TASKS


def operate(operation: Operation) -> Seen:
    """What a level sees of both sides, which run beside each other: where one waits, the other works.

    Raises `InstallError` at the first check of the certified side that does not hold.
    """
    enough = Event()
    with ThreadPoolExecutor(max_workers=1) as other:
        upstream = other.submit(_upstream, operation, enough)
        try:
            ours = _certified(operation)
        except BaseException:
            # Nothing is compared then: upstream's side ends with the check that it is at.
            enough.set()
            raise
        theirs = upstream.result()
    lacking = {
        check.name: tuple(sorted(check.needs - operation.available))
        for check in _checks(operation, None)
        if check.needs - operation.available
    }
    return Seen(checks=tuple(ours), contrasts=tuple(contrasts(ours, theirs)), lacking=lacking)


def contrasts(ours: Sequence[CheckResult], theirs: Mapping[str, str]) -> Iterator[Contrast]:
    """What differs between what was seen of the checks that both sides have; `theirs` is by the check's name."""
    for result in ours:
        if result.name not in theirs or theirs[result.name] == result.seen:
            continue
        if theirs[result.name].startswith(_FAILS):
            yield Contrast(check=result.name, part=WHOLE, upstream=theirs[result.name], certified=result.seen)
            continue
        here, there = _parts(result.seen), _parts(theirs[result.name])
        # Something differs: where it is in no part, as when they came in another order, it is all of it.
        parts = [part for part in dict.fromkeys((*there, *here)) if here.get(part) != there.get(part)]
        for part in parts:
            yield Contrast(check=result.name, part=part, upstream=there.get(part, ""), certified=here.get(part, ""))
        if not parts:
            yield Contrast(check=result.name, part=WHOLE, upstream=theirs[result.name], certified=result.seen)


def _parts(seen: str) -> dict[str, str]:
    """What was seen, apart by the words before the colon; in `Op: 200 /home /tree, 403 /log` by the page, too.

    The second of a name is its own part, as `Op (2)`.
    """
    found: dict[str, str] = {}
    times: Counter[str] = Counter()
    for number, text in enumerate(seen.split("; ")):
        key, colon, rest = text.partition(": ")
        told = _pages(rest) if colon else []
        named = [(f"{key} {page}", status) for page, status in told]
        for name, said in named or [(key, rest) if colon else (str(number + 1), text)]:
            times[name] += 1
            found[name if times[name] == 1 else f"{name} ({times[name]})"] = said
    return found


def _pages(text: str) -> list[tuple[str, str]]:
    """Each page and what it says, of `200 /home /tree, 403 /log`; empty for other words."""
    found: list[tuple[str, str]] = []
    for group in text.split(", "):
        status, *pages = group.split(" ")
        if not pages or not all(page.startswith("/") for page in pages):
            return []
        found += [(page, status) for page in pages]
    return found


def checks_of(
    level: Level, command_line: CommandLine, before: str, mariadb: Database | None = None
) -> tuple[Check[Deployment], ...]:
    """The checks of a level; `before` is the version of the release before it, and empty where there is none."""
    if level is Level.SERVICES:
        return services_level.checks(mariadb)
    return (*full_level.checks(command_line), *full_level.upgrades(before))


def _checks(operation: Operation, mariadb: Database | None) -> tuple[Check[Deployment], ...]:
    before = operation.sides.before if operation.sides.earlier else ""
    return checks_of(operation.level, operation.command_line, before, mariadb)


def _certified(operation: Operation) -> list[CheckResult]:
    done = []
    with _deployment(operation, "certified", operation.sides.certified) as (deployment, mariadb):
        for check in _checks(operation, mariadb):
            if check.needs <= operation.available:
                done.append(_held(operation, check, deployment))
                operation.progress(check.name, done[-1].seconds)
    return done


def _held(operation: Operation, check: Check[Deployment], deployment: Deployment) -> CheckResult:
    start = time.monotonic()
    try:
        seen = check.run(deployment)
    except CommandFailed as err:
        raise InstallError(
            f"{operation.release.tag} in operation, level {operation.level}: {check.name} failed",
            details=(err.what, *err.details),
            hint=f"{err.hint or f'logs are in {deployment.logs}'}; kept to look at: {operation.sides.certified}",
        ) from err
    return CheckResult(name=check.name, seconds=round(time.monotonic() - start, 1), seen=seen)


def _upstream(operation: Operation, enough: Event) -> dict[str, str]:
    """What is seen of upstream's side, by check; a check that does not hold there is seen, too.

    No further check begins once `enough` is set.
    """
    found = {}
    with _deployment(operation, "upstream", operation.sides.upstream) as (deployment, mariadb):
        for check in _checks(operation, mariadb):
            if enough.is_set():
                break
            if check.needs <= operation.available and not check.ours:
                start = time.monotonic()
                try:
                    seen = check.run(deployment)
                except CommandFailed as err:
                    seen = f"{_FAILS}{err.what}"
                if check.compared:
                    found[check.name] = seen
                operation.progress(f"{check.name} on upstream", round(time.monotonic() - start, 1))
    return found


@contextlib.contextmanager
def _deployment(operation: Operation, side: str, environment: Path) -> Iterator[tuple[Deployment, Database | None]]:
    """A side in operation beside its servers, and the MariaDB that one check uses; all of it ends with the block."""
    home, logs = operation.folder / f"home-{side}", operation.logs / side
    home.mkdir(parents=True)
    logs.mkdir(parents=True, exist_ok=True)
    upstream = side == "upstream"
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(servers.postgresql())
        backends, mariadb = _beside(operation, stack)
        tasks = min(_UPSTREAM_TASKS, operation.tasks) if upstream else operation.tasks
        env = environments.of_a_user(environment, home, home / "cache")
        env |= settings(
            home=home, database=database.create(DATABASE), executor=_EXECUTORS[operation.level],
            command_line=operation.command_line, tasks=tasks, backends=backends,
        )  # fmt: skip
        daemons = Daemons(home, logs)
        stack.callback(daemons.close)
        others = {full_level.UPSTREAM: operation.sides.upstream}
        if operation.sides.earlier is not None:
            others[full_level.BEFORE] = operation.sides.earlier
        yield (
            Deployment(
                release=operation.release, command_line=operation.command_line, env=env, home=home, logs=logs,
                database=database, database_name=DATABASE, daemons=daemons, port=free_port(), flower_port=free_port(),
                tasks=tasks, dying=not upstream, backends=backends, others=others,
            ),
            mariadb,
        )  # fmt: skip


def _beside(operation: Operation, stack: contextlib.ExitStack) -> tuple[Backends, Database | None]:
    """The servers of the level *services* that can run here."""
    if operation.level is not Level.SERVICES:
        return Backends(), None
    here = operation.available
    backends = Backends(
        redis=stack.enter_context(servers.redis()) if REDIS in here else None,
        ldap=stack.enter_context(servers.ldap()) if LDAP in here else None,
        statsd=stack.enter_context(servers.statsd()) if STATSD in here else None,
    )
    return backends, stack.enter_context(servers.mariadb()) if MARIADB in here else None


def needed(level: Level) -> tuple[str, ...]:
    """The servers without which a level cannot be tried at all."""
    return (POSTGRESQL,) if level is Level.FULL else (POSTGRESQL, REDIS)
