"""A source folder -> the wheel that its own PEP 517 backend makes, with locked build requirements and an empty home."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from astronomer_certified.artifacts import Interpreter
from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.errors import BuildError, CommandFailed
from astronomer_certified.pythons import environments

# One deflate is enough: our own writer compresses the wheel again. distutils reads this file from the home folder, and
# refuses an option that it does not know: bdist_wheel has this one since wheel 0.34.
_DISTUTILS_CONFIG = "[bdist_wheel]\ncompression = stored\n"
_CAN_STORE = Version("0.34")

# A build needs no network; what comes over it would be neither locked nor verified. Nothing listens at that port. Only
# who heeds proxies is held off: pip, urllib and with it easy_install do; more would need rights that not everybody has.
_NO_NETWORK = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
}

# Old setuptools fetch what `setup_requires` names, with code of their own that knows nothing of PIP_NO_INDEX. What a
# build needs of it is among the locked requirements; later ones look for nothing else either (PEP 517).
_ASKS_FOR_NOTHING = "no_install_setup_requires"
_ASK_FOR_NOTHING = """\
from setuptools.dist import Distribution
Distribution.fetch_build_eggs = lambda self, requires: []
"""


def _backend(source: Path) -> tuple[str, list[str] | None]:
    """The backend that a source names (PEP 517), or setuptools' for sources from before it."""
    pyproject = source / "pyproject.toml"
    stated = tomllib.loads(pyproject.read_text(encoding="utf-8")) if pyproject.is_file() else {}
    system = stated.get("build-system", {})
    return system.get("build-backend", "setuptools.build_meta:__legacy__"), system.get("backend-path")


def _stores(environment: Path) -> bool:
    """Whether the `wheel` of a build environment can leave the compression to us."""
    found = environment.glob("lib/python*/site-packages/wheel-*.dist-info")
    return any(Version(path.name.removesuffix(".dist-info").removeprefix("wheel-")) >= _CAN_STORE for path in found)


def _ask_for_nothing(environment: Path) -> None:
    """setuptools of a build environment fetch nothing."""
    for package in environment.glob("lib/python*/site-packages/setuptools"):
        if _ASKS_FOR_NOTHING not in (package / "build_meta.py").read_text(encoding="utf-8"):
            (package.parent / "sitecustomize.py").write_text(_ASK_FOR_NOTHING, encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a backend works: a scratch folder of its own, and the file that gets its output when it fails."""

    scratch: Path
    log: Path


def build_wheel(source: Path, interpreter: Interpreter, requirements: Path, epoch: int, places: Places) -> Path:
    """The wheel file that the backend made, below the scratch folder. `source` may be written to.

    `requirements` are hashed and locked, `epoch` is SOURCE_DATE_EPOCH in seconds since 1970.

    Raises `BuildError` with the end of the backend's output.
    """
    environment = places.scratch / "environment"
    environments.create(environment, interpreter)
    environments.install(environment, [requirements])
    return build_wheel_in(environment, source, epoch, places)


def build_wheel_in(environment: Path, source: Path, epoch: int, places: Places, **variables: str) -> Path:
    """As `build_wheel`, in an environment that is there already, with further environment `variables`."""
    # Here and not above: only a run that builds pays for it.
    from pyproject_hooks import BackendUnavailable, BuildBackendHookCaller, HookMissing, UnsupportedOperation

    scratch, log = places.scratch, places.log
    home = scratch / "home"
    home.mkdir()
    if _stores(environment):
        (home / ".pydistutils.cfg").write_text(_DISTUTILS_CONFIG, encoding="utf-8")
    _ask_for_nothing(environment)
    out = scratch / "out"
    out.mkdir()
    output: list[str] = []

    def runner(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        env = clean_environment(
            HOME=str(home),
            SOURCE_DATE_EPOCH=str(epoch),
            # What a backend writes in the order of a set must be the same each time.
            PYTHONHASHSEED="0",
            # A backend that asks the index for more would build with what is not locked.
            PIP_NO_INDEX="1",
            **_NO_NETWORK,
            **variables,
            **dict(extra_environ or {}),
        )
        # Compilers and tools of the environment come first.
        env["PATH"] = f"{environment / 'bin'}:{env.get('PATH', '')}"
        completed = run(cmd, cwd=Path(cwd) if cwd else None, env=env, check=False, log=scratch / "hook.log")
        output.append(completed.stdout)
        if completed.returncode:
            raise CommandFailed(f"the build backend ended with status {completed.returncode}")

    try:
        backend, paths = _backend(source)
        python = str(environments.python_of(environment))
        hooks = BuildBackendHookCaller(str(source), backend, paths, runner=runner, python_executable=python)
        return out / hooks.build_wheel(str(out))
    except (BackendUnavailable, HookMissing, UnsupportedOperation, CommandFailed) as err:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("".join(output), encoding="utf-8")
        raise BuildError(
            f"the build backend of {source.name} failed",
            details=["".join(output).strip()[-2500:]],
            hint=f"the whole output is in {log}",
        ) from err
    finally:
        shutil.rmtree(home, ignore_errors=True)
