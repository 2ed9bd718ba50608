"""A plan -> the files of constraints/X.Y.Z/, resolved anew. Builds the patched wheels first: their metadata counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.utils import NormalizedName

from astronomer_certified.artifacts import Interpreter, Python, Resolution, Wheel
from astronomer_certified.build import wheelhouse
from astronomer_certified.closure import constraints, resolve
from astronomer_certified.effects import disk
from astronomer_certified.formats import archives
from astronomer_certified.project import manifest, native_libraries
from astronomer_certified.pythons import interpreters
from astronomer_certified.source import fetch, index_client
from astronomer_certified.steps.runner import perform

from .plan import Plan
from .run import Run, made_wheel
from .stages import pinning


def make_constraints(plan: Plan, folder: Path) -> tuple[Path, ...]:
    """The files of constraints/X.Y.Z/, now in `folder`. Needs every Python of the release.

    Raises `ResolutionError` when there are no pins that satisfy the manifest, `EnvironmentMissing`, `UpstreamError`.
    """
    run, stated = plan.run, plan.run.manifest
    found = {python: interpreters.require(python, "resolving its closure") for python in stated.pythons}
    scratch = run.workspace.release_build(stated.release) / "resolve"
    locked = _lock_build(run, found[stated.pythons[0]], scratch)
    patched = _patched_wheels(plan, locked, scratch / "build-requirements.txt")
    # Before the resolution, which takes far longer.
    resolve.check_extras(stated, patched[stated.core.name])

    def resolved(python: Python) -> Resolution:
        run.watcher.progress("constraints", f"resolving for Python {python}")
        return resolve.resolve(stated, patched, found[python], pages, scratch)

    with index_client.Pages() as pages, ThreadPoolExecutor(max_workers=run.jobs) as pool:
        resolutions = list(pool.map(resolved, stated.pythons))
        _check_toolchain(run, resolutions, pool)
    locks = {"build-requirements.txt": locked} | _lock_proofs(run, resolutions, found, scratch)
    repaired = {item.name: patched[item.name].sha256 for item in stated.repairs}
    # This folder is committed: nothing that a killed run left may stay in it.
    disk.sweep(folder)
    digest = pinning.inputs_digest(stated, plan.carried)
    files = constraints.rendered(stated, digest, resolutions, repaired, locks)
    for name, text in files.items():
        disk.write_atomic(folder / name, text.encode())
    return tuple(folder / name for name in files)


def _lock_build(run: Run, oldest: Interpreter, scratch: Path) -> str:
    """What the core is built with, locked as of the upload of its source."""
    run.watcher.progress("constraints", "locking build requirements")
    core = run.manifest.core
    stated = [str(requirement) for requirement in core.build_requires]
    return resolve.lock_requirements(stated, oldest, core.uploaded, scratch)


def _patched_wheels(plan: Plan, locked: str, requirements: Path) -> Mapping[NormalizedName, Wheel]:
    """The wheel of each patched distribution: its metadata must be known before it is resolved."""
    disk.write_atomic(requirements, locked.encode())
    items = plan.run.manifest.distributions
    steps = [step for item in items for step in plan.wheel_steps(item, requirements)]
    done = perform(steps, plan.run.jobs, plan.run.watcher)
    return {item.name: made_wheel(done, item) for item in items}


def _check_toolchain(run: Run, resolutions: Sequence[Resolution], pool: ThreadPoolExecutor) -> None:
    """Raises `ConstraintsError` when a source that must be built asks for what the toolchain does not have."""
    planned = constraints.plan_files(resolutions, run.manifest.machines)
    recipes = manifest.load_recipes(run.workspace.recipes, native_libraries.load(run.workspace.native_libraries))
    items = [item for item in planned if item.build and wheelhouse.is_stated(item, recipes)]
    run.watcher.progress("constraints", f"reading the build requirements of {len(items)} sources")
    sources = list(pool.map(lambda item: fetch.fetch(item.source, run.workspace), items))
    asked: dict[str, set[Python]] = {}
    for item, source in zip(items, sources, strict=True):
        for line in archives.build_requires(source.path):
            asked.setdefault(line, set()).update(item.pythons)
    constraints.check_toolchain(run.workspace.toolchain, asked)


def _lock_proofs(
    run: Run, resolutions: Sequence[Resolution], found: Mapping[Python, Interpreter], scratch: Path
) -> dict[str, str]:
    """What proofs are run with on each Python, beside the closure that they are about."""
    locks = {}
    for resolution in resolutions:
        python = resolution.python
        # Without the local part: the index that pytest is resolved on has no repaired versions.
        pins = [f"{pin.name}=={pin.version.public}" for pin in resolution.pins.values()]
        run.watcher.progress("constraints", f"locking proof requirements for Python {python}")
        locks[f"proof-requirements-{python}.txt"] = resolve.lock_requirements(
            ["pytest"], found[python], run.manifest.cutoff, scratch, pins
        )
    return locks
