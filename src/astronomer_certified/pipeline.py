"""What the verbs of the command line do: whole operations on a release, under its lock. Nobody imports it but `cli`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from packaging.version import Version

from . import constraints, effects, interpreters, manifest
from .artifacts import Manifest, NotDone, Python, Release, Resolution
from .drafts import Draft
from .errors import CertifiedError, ManifestError
from .evidence import Evidence
from .outcomes import Outcome
from .plan import Plan, join_index
from .progress import Heard, Quiet
from .receipts import Receipt
from .steps import Step, Watcher, perform
from .workspace import Workspace

# How often a draft is tried anew, each time without one extra that has no solution.
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One file of the closing table; size in bytes."""

    file: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What an operation ends with: the files it vouches for and what this machine could not do."""

    release: Release
    python: Python
    """The one that everything was tried on first."""
    rows: tuple[Row, ...]
    not_done: tuple[NotDone, ...]
    seconds: Mapping[str, float]


@contextlib.contextmanager
def _plan(workspace: Workspace, version: Version, jobs: int, watcher: Watcher) -> Iterator[Plan]:
    """The plan of a release while its lock is held; what a killed run left half-made is gone."""
    stated = manifest.load(workspace, version)
    plan = Plan(workspace, stated, jobs, watcher)

    def waiting(pid: str) -> None:
        watcher.progress(f"release {stated.release.upstream}", f"waiting for another run of it (process {pid})")

    build = workspace.release_build(stated.release)

    def sweep() -> None:
        in_build = (*build.glob("*/"), *build.glob("logs/*/"))
        for folder in (build, *in_build, plan.dist, workspace.wheelhouse(stated.release), plan.folder):
            effects.sweep(folder)

    with effects.lock(workspace.lock(stated.release), waiting):
        sweep()
        try:
            yield plan
        finally:
            # Once more: programs that a killed run started may have gone on writing for a while.
            sweep()


def release(workspace: Workspace, version: Version, jobs: int, watcher: Watcher, *, every: bool = False) -> Summary:
    """Everything of a release is made, published to the local index, installed, run and proven.

    With `every`, the `default` extra is installed and run on each Python of the release as well.
    """
    with _plan(workspace, version, jobs, watcher) as plan:
        join_index(workspace, version)
        done = perform((*plan.steps(), *Evidence(plan).steps(every=every)), jobs, watcher)
        return _summary(plan.manifest, done, (*plan.own_steps, "wheelhouse", "certificate"))


def release_all(workspace: Workspace, jobs: int, watcher: Watcher, *, every: bool = False) -> tuple[Outcome, ...]:
    """What became of every release: made, published, installed, run and proven."""
    # Who shares the index is known before the first wheelhouse is filled: none is filled twice.
    for version in workspace.versions():
        join_index(workspace, version)
    return _each(workspace, jobs, watcher, lambda version, heard: release(workspace, version, 1, heard, every=every))


def build_all(workspace: Workspace, jobs: int, watcher: Watcher) -> tuple[Outcome, ...]:
    """What became of the patched wheels and the certified wheel of every release."""
    return _each(workspace, jobs, watcher, lambda version, heard: build(workspace, version, 1, heard))


def _each(
    workspace: Workspace, jobs: int, watcher: Watcher, operation: Callable[[Version, Watcher], Summary]
) -> tuple[Outcome, ...]:
    """What became of every release. Several are done at once; one that fails does not keep the others from going on."""

    def one(version: Version) -> Outcome:
        heard = Heard(watcher, str(version))
        try:
            summary = operation(version, heard)
        except (CertifiedError, OSError) as err:
            return Outcome(version=str(version), seconds=heard.seconds, failed=heard.first_failed, error=err)
        return Outcome(version=str(version), quick=summary.python, seconds=summary.seconds, not_done=summary.not_done)

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        return tuple(pool.map(one, workspace.versions()))


def _upto(plan: Plan, *names: str) -> list[Step]:
    """The named steps and all that they need, in the plan's order."""
    steps = {step.name: step for step in (*plan.steps(), *Evidence(plan).steps())}
    wanted: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in wanted:
            wanted.add(name)
            ahead.extend(steps[name].needs)
    return [step for step in steps.values() if step.name in wanted]


def build(workspace: Workspace, version: Version, jobs: int, watcher: Watcher) -> Summary:
    """The patched wheels and the certified wheel are made; nothing is published or installed."""
    with _plan(workspace, version, jobs, watcher) as plan:
        done = perform(_upto(plan, *plan.own_steps), jobs, watcher)
        return _summary(plan.manifest, done, plan.own_steps)


def wheelhouse(workspace: Workspace, version: Version, jobs: int, watcher: Watcher) -> Summary:
    """The wheels that upstream lacks are made."""
    with _plan(workspace, version, jobs, watcher) as plan:
        done = perform(_upto(plan, "wheelhouse"), jobs, watcher)
        return _summary(plan.manifest, done, ("wheelhouse",))


def publish(workspace: Workspace, version: Version, jobs: int, watcher: Watcher) -> Summary:
    """All wheels of the release are made and on the local index."""
    with _plan(workspace, version, jobs, watcher) as plan:
        join_index(workspace, version)
        done = perform(_upto(plan, "publish"), jobs, watcher)
        return _summary(plan.manifest, done, ("publish",))


def prove(
    workspace: Workspace, version: Version, names: Sequence[str], jobs: int, watcher: Watcher, *, again: bool = False
) -> Receipt:
    """The receipt of the proofs: of all of them, or of the named ones. `again` runs what is known already."""
    with _plan(workspace, version, jobs, watcher) as plan:
        evidence = Evidence(plan)
        if not names and not again:
            return perform(_upto(plan, "prove"), jobs, watcher)["prove"]
        chosen = names or evidence.proof_names()
        return perform(
            [*_upto(plan, *evidence.prove_step().needs), evidence.chosen_proofs_step(chosen, again=again)],
            jobs,
            watcher,
        )["prove chosen"]


def _summary(stated: Manifest, done: dict[str, Receipt], names: Sequence[str]) -> Summary:
    return Summary(
        release=stated.release,
        python=stated.target.python,
        rows=tuple(
            Row(file=output.path, size=output.size, sha256=output.sha256)
            for name in names
            for output in done[name].outputs
        ),
        not_done=tuple(NotDone(**item) for receipt in done.values() for item in receipt.record.get("not_done", ())),
        seconds={name: receipt.seconds for name, receipt in done.items()},
    )


def make_constraints(
    workspace: Workspace, version: Version, folder: Path, jobs: int, watcher: Watcher
) -> tuple[Path, ...]:
    """The files of constraints/X.Y.Z/, resolved anew and written to `folder`. Needs every Python of the release."""
    from . import archives, resolve, upstream_index

    with _plan(workspace, version, jobs, watcher) as plan:
        stated = plan.manifest
        found = {python: interpreters.require(python, "resolving its closure") for python in stated.pythons}
        scratch = workspace.release_build(stated.release) / "resolve"
        oldest = found[stated.pythons[0]]
        # What a source needs to be built must be known before it is built, and its metadata before it is resolved.
        stated_build = [str(requirement) for requirement in stated.core.build_requires]
        watcher.progress("constraints", "locking build requirements")
        locked = resolve.lock_requirements(stated_build, oldest.python, oldest, stated.core.uploaded, scratch)
        effects.write_atomic(scratch / "build-requirements.txt", locked.encode())
        steps = [
            step for item in stated.distributions for step in plan.wheel_steps(item, scratch / "build-requirements.txt")
        ]
        done = perform(steps, jobs, watcher)
        patched = {item.name: plan.made_wheel(done, item) for item in stated.distributions}

        resolve.check_extras(stated, patched[stated.core.name])

        def resolved(python: Python) -> Resolution:
            watcher.progress("constraints", f"resolving for Python {python}")
            return resolve.resolve(stated, patched, found[python], pages, scratch)

        with upstream_index.Pages() as pages, ThreadPoolExecutor(max_workers=jobs) as pool:
            resolutions = list(pool.map(resolved, stated.pythons))
            items = [item for item in constraints.plan_files(resolutions) if item.build]
            watcher.progress("constraints", f"reading the build requirements of {len(items)} sources")
            sources = list(pool.map(lambda item: plan.fetch(item.source), items))
        asked = {line for source in sources for line in archives.build_requires(source.path)}
        constraints.check_toolchain(workspace.toolchain, asked)
        locks = {"build-requirements.txt": locked}
        for resolution in resolutions:
            python = resolution.python
            pins = [f"{pin.name}=={pin.version.public}" for pin in resolution.pins.values()]
            watcher.progress("constraints", f"locking proof requirements for Python {python}")
            locks[f"proof-requirements-{python}.txt"] = resolve.lock_requirements(
                ["pytest"], python, found[python], stated.cutoff, scratch, pins
            )
        repaired = {item.name: patched[item.name].sha256 for item in stated.repairs}
        effects.sweep(folder)
        files = constraints.rendered(stated, plan.inputs_digest(), resolutions, repaired, locks)
        for name, text in files.items():
            effects.write_atomic(folder / name, text.encode())
        return tuple(folder / name for name in files)


def new(workspace: Workspace, version: Version, jobs: int, watcher: Watcher, *, resolve: bool = True) -> Draft:
    """The draft of a release that is not there yet, written to patches/VERSION/, with what a human must decide.

    With `resolve`, its core wheel is built and its closure resolved, as far as that goes. What stands there already is
    left alone: raises `ManifestError`.
    """
    from . import drafts, upstream, upstream_index

    path = workspace.manifest(version)
    if path.exists():
        raise ManifestError(f"{path} is there already", hint="remove the folder, or edit what is there")
    template = manifest.load(workspace, max(workspace.versions()))
    watcher.progress("new", f"looking for {version} and its providers")
    with upstream_index.Pages() as pages:
        draft = drafts.draft(
            version, template, pages, lambda pinned: upstream.fetch(pinned, workspace), datetime.now(UTC)
        )
    effects.write_atomic(path.parent / "series", b"")
    effects.write_atomic(path, draft.text.encode())
    return _tried(workspace, draft, jobs, watcher) if resolve else draft


def _tried(workspace: Workspace, draft: Draft, jobs: int, watcher: Watcher) -> Draft:
    """The draft after attempts to build and resolve it, each without what stopped the one before if that can be told.

    What stops the last attempt is one more decision.
    """
    from . import drafts

    path = workspace.manifest(draft.version)
    for _ in range(_ATTEMPTS):
        try:
            make_constraints(workspace, draft.version, workspace.constraints(draft.version), jobs, watcher)
        except CertifiedError as err:
            better = drafts.after(draft, err)
            if better is None:
                return replace(draft, decisions=(*draft.decisions, str(err)))
            draft = better
            effects.write_atomic(path, draft.text.encode())
        else:
            return draft
    more = (
        f"still no solution after {_ATTEMPTS} attempts: `certified constraints {draft.version}` says what is in the way"
    )
    return replace(draft, decisions=(*draft.decisions, more))


def check(workspace: Workspace, version: Version) -> str:
    """One line that says what a release states. Raises for a manifest, series or constraints that do not hold."""
    plan = Plan(workspace, manifest.load(workspace, version), 1, Quiet())
    constraints.check_current(plan.folder, plan.inputs_digest(), constraints.file_names(plan.manifest.pythons))
    pins = ", ".join(f"{len(item.pins)} pins for {item.python}" for item in plan.constraints)
    patches = sum(len(item) for item in plan.patches.values())
    return f"{plan.release.tag}: {patches} patches, {len(Evidence(plan).proof_names())} proofs, {pins}"


def releases_page(workspace: Workspace) -> str:
    """All releases side by side, in Markdown: what each has, how it was certified, what it leaves out."""
    from . import certificates, release_page

    def entry(stated: Manifest) -> release_page.Entry:
        found = certificates.kept(workspace, stated.release)
        stale = found is not None and not certificates.is_current(workspace, found)
        return release_page.Entry(manifest=stated, certificate=None if stale else found, stale=stale)

    return release_page.page([entry(manifest.load(workspace, version)) for version in workspace.versions()])
