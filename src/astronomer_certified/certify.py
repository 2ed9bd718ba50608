"""A served index -> the certified install, made by real pip with one command, and real Airflow run from it.

Works in a scratch folder; every archive that pip used is checked against the repository's hashes afterwards.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import environments
from .artifacts import CommandLine, Interpreter, Release, Target
from .effects import background, free_port, run
from .errors import CommandFailed, InstallError

_INSTALL_TIMEOUT = 1800.0
_COMMAND_TIMEOUT = 300.0
_HEALTH_PATIENCE = 180.0
_EXAMPLE = ("example_bash_operator", "runme_0", "2021-01-01")
# What every version says of the example's command; that a task is marked as a success not every one does.
_TESTED = "Command exited with return code 0"

# Imports every hook of every provider: what finds a requirement that a provider does not declare.
_IMPORT_HOOKS = """
import importlib, pkgutil, sys
try:
    import airflow.providers as providers
except ImportError:
    print("no providers: their hooks are part of the core")
    sys.exit()
found = pkgutil.walk_packages(providers.__path__, "airflow.providers.", onerror=lambda name: None)
hooks = sorted(module.name for module in found if ".hooks." in module.name)
broken, apart = [], 0
for name in hooks:
    try:
        importlib.import_module(name)
    except Exception as err:
        # A hook may build upon another provider, which is an extra of its own.
        if isinstance(err, ImportError) and str(err.name).startswith("airflow.providers."):
            apart += 1
        else:
            broken.append("%s: %r" % (name, err))
print("; ".join(broken))
print("%d hooks import, %d want another provider, %d fail" % (len(hooks) - apart - len(broken), apart, len(broken)))
sys.exit(bool(broken))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How one of Airflow's command lines is spoken to, and what it says when it worked."""

    init: tuple[str, ...]
    initialised: str
    list: tuple[str, ...]
    test: tuple[str, ...]
    # The settings under which the webserver must answer: 1.10 has two user interfaces.
    interfaces: Mapping[str, Mapping[str, str]]


_WORDS = {
    CommandLine.FLAT: Words(
        init=("initdb",),
        initialised="Done",
        list=("list_dags",),
        test=("test",),
        interfaces={
            "webserver /health": {"AIRFLOW__WEBSERVER__RBAC": "False"},
            "webserver /health, RBAC": {"AIRFLOW__WEBSERVER__RBAC": "True"},
        },
    ),
    CommandLine.GROUPED: Words(
        init=("db", "init"),
        initialised="Initialization done",
        list=("dags", "list"),
        test=("tasks", "test"),
        interfaces={"webserver /health": {}},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tried and held."""

    name: str
    seconds: float
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What to install, with what, from where."""

    release: Release
    target: Target
    command_line: CommandLine
    interpreter: Interpreter
    installer: Path
    reports: bool
    simple_url: str

    @property
    def requirement(self) -> str:
        """What a user types."""
        return self.target.requirement(self.release)


def certify(
    installation: Installation,
    allowed: frozenset[str],
    scratch: Path,
    logs: Path,
    pip_cache: Path,
    progress: Callable[[str, float], None],
) -> tuple[Check, ...]:
    """Every check that was made, in order; all of them held. `allowed` are the sha256 that may be installed.

    Raises `InstallError` at the first that does not hold.
    """
    environment = scratch / "environment"
    home = scratch / "home"
    home.mkdir()
    env = environments.of_a_user(environment, home, pip_cache)
    checks: list[Check] = []

    def check(name: str, act: Callable[[], str]) -> None:
        start = time.monotonic()
        try:
            seen = act()
        except CommandFailed as err:
            raise InstallError(
                f"{installation.requirement} on Python {installation.interpreter.python}: {name} failed",
                details=(err.what, *err.details),
                hint=err.hint,
            ) from err
        seconds = time.monotonic() - start
        checks.append(Check(name=name, seconds=round(seconds, 1), seen=seen))
        progress(name, seconds)

    def command(*words: str, timeout: float = _COMMAND_TIMEOUT) -> str:
        name = "-".join(word for word in words if word.isalnum())
        return run(
            words,
            cwd=home,
            env=env,
            timeout=timeout,
            log=logs / f"certify-{name[:40]}.log",
        ).stdout

    environments.create(environment, installation.interpreter)
    environments.install(environment, [installation.installer])
    check("pip install", lambda: _install(installation, environment, env, home, logs, allowed))
    check("pip check", lambda: command("python", "-m", "pip", "check").strip().splitlines()[-1])
    check("airflow version", lambda: _version(command("airflow", "version"), installation.release))
    words = _WORDS[installation.command_line]
    check("airflow " + " ".join(words.init), lambda: _holds(command("airflow", *words.init), words.initialised))
    check("airflow " + " ".join(words.list), lambda: _holds(command("airflow", *words.list), _EXAMPLE[0]))
    check("airflow " + " ".join(words.test), lambda: _holds(command("airflow", *words.test, *_EXAMPLE), _TESTED))
    check("providers", lambda: command("python", "-c", _IMPORT_HOOKS).strip().splitlines()[-1])
    for name, settings in words.interfaces.items():
        check(name, lambda settings=settings: _health(home, {**env, **settings}, logs))  # type: ignore[misc]
    return tuple(checks)


def _install(
    installation: Installation,
    environment: Path,
    env: Mapping[str, str],
    home: Path,
    logs: Path,
    allowed: frozenset[str],
) -> str:
    report = home / "report.json"
    reporting: list[str | Path] = ["--report", report] if installation.reports else []
    words: list[str | Path] = [
        environments.python_of(environment), "-m", "pip", "install", "--index-url", installation.simple_url,
        "--only-binary", ":all:", *reporting, installation.requirement,
    ]  # fmt: skip
    run(words, cwd=home, env=env, timeout=_INSTALL_TIMEOUT, log=logs / "certify-pip-install.log")
    if not installation.reports:
        return "installed; this pip cannot say which archives it used"
    installed = json.loads(report.read_text())["install"]
    strangers = [
        f"{item['metadata']['name']} {item['metadata']['version']}: {item['download_info']['url'].rsplit('/', 1)[-1]}"
        for item in installed
        if item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256") not in allowed
    ]
    if strangers:
        raise InstallError(
            f"pip installed {len(strangers)} files whose sha256 this repository does not know",
            details=strangers[:20],
            hint="run `certified constraints VERSION` and look at the difference before you commit it",
        )
    return f"{len(installed)} packages, every sha256 known"


def _version(output: str, release: Release) -> str:
    if not release.is_named_by(output):
        raise CommandFailed(f"it does not say {release.patched}", details=output.splitlines()[-3:])
    return str(release.patched)


def _holds(output: str, wanted: str) -> str:
    for line in output.splitlines():
        if wanted in line:
            return wanted
    raise CommandFailed(f"{wanted!r} is not in what it printed", details=output.splitlines()[-15:])


def _health(home: Path, env: Mapping[str, str], logs: Path) -> str:
    port = free_port()
    log = logs / "certify-webserver.log"
    words = ["airflow", "webserver", "--port", str(port), "--hostname", "127.0.0.1", "--workers", "1"]
    with background(words, cwd=home, env=env, log=log) as running:
        until = time.monotonic() + _HEALTH_PATIENCE
        while time.monotonic() < until and running():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as response:
                    health = json.load(response)
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.5)
                continue
            status = health["metadatabase"]["status"]
            if status != "healthy":
                raise CommandFailed(f"/health says that the metadatabase is {status!r}")
            return f"metadatabase {status}"
    tail = log.read_text(errors="replace").splitlines()[-15:]
    raise CommandFailed("the webserver did not answer /health", details=tail, hint=f"the whole output is in {log}")
