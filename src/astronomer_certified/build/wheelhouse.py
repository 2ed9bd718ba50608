"""Constraints -> the wheels that upstream lacks, built once with one locked toolchain. Writes one folder.

An interpreter of some Python, which machine code is made for, may be missing here: then that wheel is listed as not
done, with how to get it.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, parse_wheel_filename

from astronomer_certified.artifacts import (
    MACHINES,
    Interpreter,
    NotDone,
    PinnedFile,
    Python,
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
from astronomer_certified.effects.processes import run
from astronomer_certified.errors import BuildError, CommandFailed, WheelhouseError
from astronomer_certified.formats import archives, wheel_files
from astronomer_certified.native import compilers, cross
from astronomer_certified.native.libraries import Foundry
from astronomer_certified.native.records import Recipe
from astronomer_certified.pythons import environments, interpreters
from astronomer_certified.workspace import Workspace

from . import backends
from .machine_code import Workbench

_PURE = Recipe(compiled=False, links=(), build=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheelhouse:
    """The wheels that our index holds beside the patched ones, and what could not be built here."""

    wheels: tuple[Wheel, ...]
    not_done: tuple[NotDone, ...]
    built: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """What the sources of all releases are built with: hashed build requirements, recipes, Pythons for pure ones, the
    foundry of C libraries.

    `code` is the digest of the code that builds them: a wheel in the cache that other code made is built anew.
    """

    requirements: Path
    pure_pythons: SpecifierSet
    recipes: Mapping[NormalizedName, Recipe]
    foundry: Foundry
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One build: an sdist for one Python, or for all of them (`python` is None) when it is pure."""

    item: WheelhouseItem
    recipe: Recipe
    python: Python | None
    machine: str = MACHINES[0]

    @property
    def epoch(self) -> int:
        return int(self.item.uploaded.timestamp())

    @property
    def title(self) -> str:
        title = f"{self.item.source.project} {self.item.version}"
        if self.python is None:
            return title
        return f"{title} for Python {self.python}" + (f" on {self.machine}" if self.machine != MACHINES[0] else "")

    @property
    def name(self) -> str:
        """A name for its files, of its own among all jobs."""
        words = [self.item.source.project, str(self.item.version), str(self.python or "any")]
        return "-".join([*words, *([self.machine] if self.machine != MACHINES[0] else [])])


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
    count = 0
    counting = threading.Lock()

    def told(wheel: Path, title: str) -> Path:
        nonlocal count
        with counting:
            count += 1
            progress(count, total, title)
        return wheel

    def library_told(title: str) -> None:
        progress(count, total, f"the C library {title}")

    benches = {machine: Workbench(replace(era.foundry, machine=machine), library_told) for machine in MACHINES}
    building = [job for item in items if item.build for job in _jobs(item, era.recipes)]
    missing = {
        job.title: replace(lack, kind="wheel", project=job.item.source.project, python=str(job.python))
        for job in building
        if (lack := _lacks(job, benches[job.machine])) is not None
    }
    wanted = [job for job in building if job.title not in missing]
    total = len(wanted) + sum(not item.build for item in items)
    with scratch_folder(memory_folder(workshop.folder), "wheelhouse") as scratch:
        builds = _Builds(era, workshop, scratch, benches)

        def had(work: _Job | WheelhouseItem) -> Path:
            if isinstance(work, _Job):
                return told(builds.wheel(work), work.title)
            return told(workshop.fetch(work.source).path, work.source.filename)

        with ThreadPoolExecutor(max_workers=workshop.jobs) as pool:
            # Of `map`: what has not begun when one fails, or the run is interrupted, does not begin any more.
            wheels = tuple(pool.map(had, [*wanted, *(item for item in items if not item.build)]))
    with atomic_folder(workshop.folder) as beside:
        for wheel in wheels:
            link_or_copy(wheel, beside / wheel.name)
    return Wheelhouse(
        wheels=tuple(wheel_files.wheel_at(path) for path in sorted(workshop.folder.iterdir())),
        not_done=tuple(missing.values()),
        built=len(wanted),
    )


def is_stated(item: WheelhouseItem, recipes: Mapping[NormalizedName, Recipe]) -> bool:
    """Whether it is known how a source is built: as any other, or as machine code by its recipe.

    What has to be built for other machines alone has a wheel of upstream for the first: it is machine code.
    """
    return MACHINES[0] in item.machines or recipes.get(item.source.project, _PURE).compiled


def _jobs(item: WheelhouseItem, recipes: Mapping[NormalizedName, Recipe]) -> list[_Job]:
    recipe = recipes.get(item.source.project, _PURE)
    if not recipe.compiled and is_stated(item, recipes):
        return [_Job(item=item, recipe=recipe, python=None)]
    return [
        _Job(item=item, recipe=recipe, python=python, machine=machine)
        for python in item.pythons
        for machine in item.machines
    ]


def _lacks(job: _Job, workbench: Workbench) -> NotDone | None:
    """What this machine lacks for a build; None when it lacks nothing."""
    if job.python is None:
        return None
    title = f"wheel of {job.title}"
    if not job.recipe.compiled:
        # With its name: what has the same reason is told together, and somebody must know which projects these are.
        name = job.item.source.project
        why = f"upstream has {name} for another machine alone, and constraints/builds.toml does not say how it is made"
        return NotDone(what=title, why=why, how="state it there, as docs/native.md says")
    if (interpreter := interpreters.find(job.python)) is None:
        return interpreters.not_there(job.python, title)
    include = run(
        [interpreter.executable, "-I", "-c", "import sysconfig; print(sysconfig.get_paths()['include'])"]
    ).stdout.strip()
    if not (Path(include) / "Python.h").is_file():
        how = f"install the development files of Python {job.python} (on Debian python{job.python}-dev)"
        return NotDone(what=title, why=f"{include}/Python.h is missing", how=how)
    return workbench.lacks(job.recipe, title)


class _Builds:
    """Builds with one locked toolchain: the environment of each interpreter is made when it is first asked for."""

    def __init__(self, era: Era, workshop: Workshop, scratch: Path, benches: Mapping[str, Workbench]) -> None:
        self._era = era
        self._benches = benches
        self._workshop = workshop
        self._scratch = scratch
        self._made: dict[tuple[Interpreter, str], Path] = {}
        self._lock = threading.Lock()

    def wheel(self, job: _Job) -> Path:
        """The wheel of a job, from the cache when it was built with the very same inputs before.

        Raises `WheelhouseError`.
        """
        interpreter = self._interpreter(job)
        # What was made of the libraries' first sources is looked for first: no file is fetched for that.
        workbench = self._benches[job.machine]
        code = workbench.planned_key(job.recipe) if job.python else ""
        place = self._workshop.workspace.cached_wheel(self._key(job, interpreter, code))
        if (cached := _sound(place)) is not None:
            return cached
        if job.python and (used := workbench.key(job.recipe)) != code:
            place = self._workshop.workspace.cached_wheel(self._key(job, interpreter, used))
            if (cached := _sound(place)) is not None:
                return cached
        source = self._workshop.fetch(job.item.source)
        with scratch_folder(self._scratch, job.name) as own:
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
        places = backends.Places(scratch=own, log=self._workshop.logs / f"{job.name}.log")
        environment = self._environment(interpreter, job.machine)
        workbench = self._benches[job.machine]
        variables = workbench.variables(job.recipe, own) if job.python else {}
        made = backends.build_wheel_in(environment, tree, job.epoch, places, **variables)
        return _finished(job, made, own, workbench)

    def _interpreter(self, job: _Job) -> Interpreter:
        if job.python:
            return interpreters.require(job.python, job.title)
        return interpreters.require_any(self._era.pure_pythons, f"building {job.title}")

    def _key(self, job: _Job, interpreter: Interpreter, code: str) -> str:
        """The digest of all that decides the bytes of a wheel; `code` is that of what makes its machine code."""
        return digest(
            job.item.source.sha256,
            self._era.requirements.read_bytes(),
            self._era.code,
            str(job.epoch),
            # A pure wheel is the same whichever Python made it; machine code depends on the headers of its Python.
            interpreter.full_version if job.python else "pure",
            code,
        )

    def _environment(self, interpreter: Interpreter, machine: str) -> Path:
        # Held while it is made: others who want the same one wait, in place of making it as well.
        with self._lock:
            if (interpreter, machine) not in self._made:
                environment = self._scratch / f"environment-{interpreter.full_version}-{machine}"
                environments.create(environment, interpreter)
                environments.install(environment, [self._era.requirements])
                if not compilers.is_this(machine):
                    cross.describe(environment, machine)
                self._made[interpreter, machine] = environment
            return self._made[interpreter, machine]


def _sound(place: Path) -> Path | None:
    """The wheel in a cache folder, if its bytes are those that were put there."""
    try:
        [(name, sha256)] = json.loads((place / "sha256.json").read_bytes()).items()
    except (OSError, ValueError):
        return None
    wheel = place / name
    return wheel if wheel.is_file() and sha256_of(wheel) == sha256 else None


def _finished(job: _Job, made: Path, own: Path, workbench: Workbench) -> Path:
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
        made = workbench.audited(made, job.recipe, own)
    final = own / "final"
    final.mkdir()
    # Byte code differs from build to build (it holds times and paths), and every installer makes its own.
    members = {path: member for path, member in wheel_files.read(made).items() if not path.endswith(".pyc")}
    if not pure:
        info = wheel_files.dist_info(members)
        inside = workbench.inside(job.recipe, made.name, job.epoch)
        members |= {f"{info}/{path}": member for path, member in inside.items()}
    return wheel_files.write(final / made.name, members, job.epoch).path
