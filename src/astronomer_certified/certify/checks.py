"""What is tried in a certified install: a list of checks, each with a name, what it needs, and how it is run.

A further check is one more object in the list that `checks_of` gives.
"""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from astronomer_certified.artifacts import CommandLine, Release
from astronomer_certified.effects.processes import background, free_port, run
from astronomer_certified.errors import CommandFailed

from .command_lines import words_of

_COMMAND_TIMEOUT = 300.0
_HEALTH_PATIENCE = 180.0
# An example that every version has.
_EXAMPLE = ("example_bash_operator", "runme_0", "2021-01-01")
# What every version says of the example's command; that a task is marked as a success not every one does.
_TESTED = "Command exited with return code 0"

# Imports every hook of every provider: what finds a requirement that a provider does not declare. For Python 3.6, too.
_IMPORT_HOOKS = """
import importlib, pkgutil, sys
import airflow
try:
    import airflow.providers as providers
except ImportError as err:
    if err.name != "airflow.providers":
        raise
    print("no providers: their hooks are part of the core")
    sys.exit()
broken, apart = [], []

def failed(name):
    err = sys.exc_info()[1]
    # A hook may build upon another provider, which is an extra of its own. One that is there has a package above the
    # missing module; above a whole provider there are only folders that several share.
    missing = str(err.name) if isinstance(err, ModuleNotFoundError) else ""
    above = sys.modules.get(missing.rpartition(".")[0])
    if missing.startswith("airflow.providers.") and getattr(above, "__file__", None) is None:
        apart.append(name)
    else:
        broken.append("%s: %r" % (name, err))

# A package that cannot be imported hides its hooks: `onerror` is called in place of what would import them.
found = pkgutil.walk_packages(providers.__path__, "airflow.providers.", onerror=failed)
hooks = sorted(module.name for module in found if ".hooks." in module.name)
good = 0
for name in hooks:
    try:
        importlib.import_module(name)
        good += 1
    except (Exception, SystemExit):
        failed(name)
print("; ".join(broken))
print("%d hooks import, %d want another provider, %d fail" % (good, len(apart), len(broken)))
sys.exit(bool(broken))
"""
_HOOKS_SEEN = re.compile(r"(?P<good>\d+) hooks import, \d+ want another provider, 0 fail")


Place = TypeVar("Place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A release in a virtual environment, as its user has it: a home folder and the environment of a process.

    `services` are the addresses of servers that run beside it, by name; a check may need one.
    """

    release: Release
    command_line: CommandLine
    home: Path
    env: Mapping[str, str]
    logs: Path
    services: Mapping[str, str] = field(default_factory=dict)

    def command(self, *words: str) -> str:
        """What a command printed. Raises `CommandFailed`, also when it takes longer than 300 s."""
        # Options, dates and code have no place in the name of a file.
        name = "-".join(word for word in words if word.isalnum())
        log = self.logs / f"certify-{name[:40]}.log"
        return run(words, cwd=self.home, env=self.env, timeout=_COMMAND_TIMEOUT, log=log).stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Generic[Place]):
    """One thing to try in a place, which is an install or a deployment.

    `run` says what it saw, in a few words, or raises `CommandFailed`. `needs` names the services without which it
    cannot be tried. What it saw is `compared` with what it sees of upstream, unless it differs from one time to the
    next; what is `ours` has nothing there to be compared with.
    """

    name: str
    run: Callable[[Place], str]
    needs: frozenset[str] = frozenset()
    compared: bool = True
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One thing that was tried and held: how long it took, and what was seen."""

    name: str
    seconds: float
    seen: str


def checks_of(command_line: CommandLine) -> tuple[Check[Installed], ...]:
    """The checks of an Airflow with that command line, in the order in which they are tried."""
    words = words_of(command_line)
    return (
        Check(
            name="pip check", run=lambda place: place.command("python", "-m", "pip", "check").strip().splitlines()[-1]
        ),
        Check(name="airflow version", run=_version),
        Check(name=_title(words.init), run=partial(_says, words.init, words.initialised)),
        Check(name=_title(words.list), run=partial(_says, words.list, _EXAMPLE[0])),
        Check(name=_title(words.test), run=partial(_says, (*words.test, *_EXAMPLE), _TESTED)),
        Check(name="providers", run=_providers),
        *(Check(name=name, run=partial(_health, settings)) for name, settings in words.interfaces.items()),
    )


def missing_services(check: Check[Installed], place: Installed) -> tuple[str, ...]:
    """The services that a check needs and that do not run beside the install, by name."""
    return tuple(sorted(check.needs - place.services.keys()))


def _title(words: tuple[str, ...]) -> str:
    return " ".join(("airflow", *words))


def _version(place: Installed) -> str:
    output = place.command("airflow", "version")
    if not place.release.is_named_by(output):
        raise CommandFailed(f"it does not say {place.release.patched}", details=output.splitlines()[-3:])
    return str(place.release.patched)


def _says(words: tuple[str, ...], wanted: str, place: Installed) -> str:
    """`wanted`, if a line of what `airflow` with these words prints holds it."""
    output = place.command("airflow", *words)
    if any(wanted in line for line in output.splitlines()):
        return wanted
    raise CommandFailed(f"{wanted!r} is not in what it printed", details=output.splitlines()[-15:])


def _providers(place: Installed) -> str:
    """How many hooks of its providers can be imported: one at least, unless they are part of the core (1.10)."""
    said = (place.command("python", "-c", _IMPORT_HOOKS).strip().splitlines() or ["nothing"])[-1]
    counted = _HOOKS_SEEN.fullmatch(said)
    in_core = place.command_line is CommandLine.FLAT and said.startswith("no providers")
    if not in_core and (counted is None or int(counted["good"]) == 0):
        raise CommandFailed("no hook of a provider was imported", details=[said])
    return said


def _health(settings: Mapping[str, str], place: Installed) -> str:
    """What the webserver, started with these settings, says of its database at /health."""
    port = free_port()
    log = place.logs / "certify-webserver.log"
    words = ["airflow", "webserver", "--port", str(port), "--hostname", "127.0.0.1", "--workers", "1"]
    with background(words, cwd=place.home, env={**place.env, **settings}, log=log) as running:
        until = time.monotonic() + _HEALTH_PATIENCE
        while time.monotonic() < until and running():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as response:
                    health = json.load(response)
            # Not up yet: until then there is anything from a refusal to silence.
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.5)
                continue
            status = health["metadatabase"]["status"]
            if status != "healthy":
                raise CommandFailed(f"/health says that the metadatabase is {status!r}")
            return f"metadatabase {status}"
    tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    raise CommandFailed("the webserver did not answer /health", details=tail, hint=f"the whole output is in {log}")
