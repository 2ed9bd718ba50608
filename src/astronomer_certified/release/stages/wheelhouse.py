"""The pins of all releases that share an index -> the wheels that upstream lacks, and those carried beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from astronomer_certified.artifacts import MACHINES, PinnedFile, UpstreamFile, WheelhouseItem
from astronomer_certified.closure import constraints
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.errors import ConstraintsError
from astronomer_certified.project import manifest, native_libraries, stated_files
from astronomer_certified.release.run import Run
from astronomer_certified.source import fetch
from astronomer_certified.steps import code
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Shown, Step

NAME = "wheelhouse"

# The Pythons on which the setuptools of constraints/toolchain.txt runs: it needs distutils.
_TOOLCHAIN_PYTHONS = SpecifierSet(">=3.6,<3.12")


OF_PROOFS = "wheelhouse of proofs"

# The releases that share an index, this one among them, with their files.json.
Shared = Callable[[Run], Mapping[Version, Path]]


def step(run: Run) -> Step:
    """The wheelhouse of a release holds what its index needs of foreign projects, as far as this machine can."""
    wanted = partial(items, run, sharing)
    return _step(run, _Part(name=NAME, folder=run.workspace.wheelhouse(run.release), wanted=wanted, shared=sharing))


def step_of_proofs(run: Run, committed: Committed, *, after: Sequence[str] = ()) -> Step:
    """A folder holds what the environment of the proofs needs of foreign projects: few of the many of the index.

    Whoever else shares the index: proofs would be run again, as with other wheels, whenever a release joins it. A step
    of `after` that makes all of them comes first, so that none is built twice at once.
    """

    def needed() -> Sequence[WheelhouseItem]:
        target = run.manifest.target
        wanted = committed.of(target.python).wanted_by(run.manifest, target)
        there = [item for item in items(run, alone) if item.source.project in wanted]
        return [
            replace(item, pythons=(target.python,), machines=MACHINES[:1])
            for item in there
            if target.python in item.pythons and MACHINES[0] in item.machines
        ]

    folder = run.workspace.proof_wheels(run.release)
    return _step(run, _Part(name=OF_PROOFS, folder=folder, wanted=needed, shared=alone, after=tuple(after)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Some of the wheels, the folder that holds them, by what releases they are for, and the steps that come first."""

    name: str
    folder: Path
    wanted: Callable[[], Sequence[WheelhouseItem]]
    shared: Shared
    after: tuple[str, ...] = ()


def _step(run: Run, part: _Part) -> Step:
    requirements = run.workspace.toolchain

    def inputs(done: Done) -> Mapping[str, str]:
        # Each files.json names the digest of all that its release resolves, its repairs among them.
        own = run.constraints_folder / "files.json"
        paths = [own, *part.shared(run).values(), *stated_files.of_builds(run.workspace)]
        if missing := [path for path in paths if not path.is_file()]:
            raise ConstraintsError(f"{missing[0]} is missing", hint="it is part of the project: git checkout it")
        return run.file_digests(paths)

    def do(done: Done) -> Made:
        from astronomer_certified.build import wheelhouse
        from astronomer_certified.native.libraries import Foundry

        libraries = native_libraries.load(run.workspace.native_libraries)
        foundry = Foundry(
            workspace=run.workspace,
            requirements=run.workspace.compilers,
            libraries=libraries,
            own_patches=run.workspace.native_patches,
            logs=run.logs,
            jobs=run.jobs,
            code=code.digest_of(Foundry.__module__),
            machine=MACHINES[0],
        )
        era = wheelhouse.Era(
            requirements=requirements,
            pure_pythons=_TOOLCHAIN_PYTHONS,
            recipes=manifest.load_recipes(run.workspace.recipes, libraries),
            foundry=foundry,
            code=code.digest_of(wheelhouse.__name__),
        )

        def fetched(pinned: PinnedFile) -> UpstreamFile:
            return fetch.fetch(pinned, run.workspace)

        def told(count: int, total: int, title: str) -> None:
            run.watcher.progress(part.name, f"{count}/{total} {title}")

        workshop = wheelhouse.Workshop(
            fetch=fetched, workspace=run.workspace, folder=part.folder, logs=run.logs, jobs=run.jobs
        )
        house = wheelhouse.fill(part.wanted(), era, workshop, told)
        record = {"wheels": [{"file": w.filename, "sha256": w.sha256, "size": w.size} for w in house.wheels]}
        note = f"{len(house.wheels)} wheels" + (f", {len(house.not_done)} not done" if house.not_done else "")
        outputs = [wheel.path for wheel in house.wheels]
        return Made(outputs=outputs, record=record, not_done=house.not_done, note=note)

    shown = Shown(stage=NAME, minor=part.name != NAME)
    return run.step(part.name, inputs, do, needs=["constraints", *part.after], shown=shown)


def sharing(run: Run) -> dict[Version, Path]:
    """The releases that share the index, this one among them, with their files.json."""
    versions = {run.release.upstream, *run.workspace.releases_sharing()}
    files = {version: run.workspace.constraints(version) / "files.json" for version in sorted(versions)}
    # A mark may be left on the index by a release that the project has no more.
    return {version: path for version, path in files.items() if path.is_file()}


def alone(run: Run) -> dict[Version, Path]:
    """This release, as if it had the index for itself."""
    own = run.release.upstream
    return {own: run.workspace.constraints(own) / "files.json"}


def items(run: Run, shared: Shared) -> tuple[WheelhouseItem, ...]:
    """The wheels of foreign projects that an index of these releases must hold for this one: to build, or to carry."""
    releases = shared(run)
    repairs = {version: {item.name for item in manifest.load(run.workspace, version).repairs} for version in releases}
    files = {version: constraints.load_files(path.parent) for version, path in releases.items()}
    own = run.release.upstream
    pinned = {item.source.project for item in files[own]} | repairs[own]
    return constraints.wheelhouse_items(pinned, list(files.values()), set().union(*repairs.values()))
