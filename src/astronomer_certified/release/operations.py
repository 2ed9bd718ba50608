"""What the verbs of the command line do: whole operations on one release, under its lock, or on all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from astronomer_certified.artifacts import Manifest, NotDone, Python, Release, Target
from astronomer_certified.certify.level import Level, Wanted
from astronomer_certified.closure import constraints
from astronomer_certified.effects import disk, processes
from astronomer_certified.errors import CertifiedError, ManifestError
from astronomer_certified.project import manifest, revisions
from astronomer_certified.steps.progress import Quiet, Recorder
from astronomer_certified.steps.receipts import Receipt
from astronomer_certified.steps.runner import Step, Watcher, perform
from astronomer_certified.workspace import Workspace

from .outcomes import Outcome, Timing, timings_of
from .plan import Plan, join_index
from .run import Run, missing
from .stages import operating, pinning, proving

if TYPE_CHECKING:
    from astronomer_certified.effects.cluster import Cluster

    from .drafts import Draft

_WHOLE = (0, 0, 0)

# How often a draft is tried anew, each time without one extra that has no solution.
_ATTEMPTS = 16

# Things that wait for other machines.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One file of the closing table; size in bytes."""

    file: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What an operation ends with: the files it vouches for and what this machine could not do.

    `target` is the install that is tried first; `installed` says whether it was, here, with these wheels.
    """

    release: Release
    target: Target
    installed: bool
    rows: tuple[Row, ...]
    not_done: tuple[NotDone, ...]
    timings: tuple[Timing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Factory:
    """The operations on a project's releases. `jobs` is how many things may be done at once, here.

    Levels above quick are tried on the machines of the `cluster`, if any, which find the index at `cluster_index`.
    """

    workspace: Workspace
    jobs: int
    watcher: Watcher
    cluster: Cluster | None = None
    cluster_index: str | None = None

    @contextlib.contextmanager
    def _plan(self, version: Version) -> Iterator[Plan]:
        """The plan of a release while its lock is held; what a killed run left half-made is gone."""
        stated = manifest.load(self.workspace, version)
        plan = Plan(Run(self.workspace, stated, self.jobs, self.watcher))
        plan.run.cluster, plan.run.cluster_index = self.cluster, self.cluster_index

        def waiting(pid: str) -> None:
            self.watcher.progress(
                f"release {stated.release.upstream}", f"waiting for another run of it (process {pid})"
            )

        with disk.lock(self.workspace.lock(stated.release), waiting):
            self._sweep(plan)
            try:
                yield plan
            finally:
                # Once more: programs that a killed run started may have gone on writing for a while.
                self._sweep(plan)

    def _sweep(self, plan: Plan) -> None:
        release = plan.run.release
        build = self.workspace.release_build(release)
        in_build = (*build.glob("*/"), *build.glob("logs/*/"))
        dist = (plan.run.dist, self.workspace.wheelhouse(release))
        # A temporary lies beside what it was to become, so every folder that a step writes into is looked at.
        for folder in (build, *in_build, *dist, plan.run.constraints_folder):
            disk.sweep(folder)

    def _perform(self, steps: Sequence[Step]) -> dict[str, Receipt]:
        return perform(steps, self.jobs, self.watcher)

    def release(self, version: Version, *, every: bool = False) -> Summary:
        """Everything of a release is made, published to the local index, installed, run and proven.

        With `every`, the `default` extra is installed and run on each Python of the release as well, and further
        installers are tried.
        """
        with self._plan(version) as plan:
            join_index(self.workspace, version)
            steps = (*plan.making(), *plan.verifying(every=every))
            return _summary(plan, steps, self._perform(steps), (*plan.own_steps, "wheelhouse", "certificate"))

    def certify(self, version: Version) -> Summary:
        """A release is made, published, installed, proven, and put into operation as far as is promised.

        When the release before it in its line is not on the index yet, that is published first: databases are upgraded
        from it.
        """
        stated = manifest.load(self.workspace, version)
        levels = Wanted().levels(stated)
        self._publish_earlier(stated, levels)
        if self.cluster is not None:
            # What is made here first, and then all levels at once: it is the cluster that decides how many really are.
            self.publish(version)
            replace(self, jobs=_AT_ONCE).operate(version, Wanted())
        with self._plan(version) as plan:
            join_index(self.workspace, version)
            steps = (*plan.making(), *plan.verifying(every=True, levels=levels))
            return _summary(plan, steps, self._perform(steps), (*plan.own_steps, "wheelhouse", "certificate"))

    def operate(self, version: Version, wanted: Wanted) -> Mapping[str, Receipt]:
        """The receipts, by step, of a release that is tried on some Pythons at some level.

        It is not proven, and no certificate is written. Raises `ManifestError` for a Python that it does not have.
        """
        stated = manifest.load(self.workspace, version)
        levels = wanted.levels(stated)
        self._publish_earlier(stated, levels)
        with self._plan(version) as plan:
            join_index(self.workspace, version)
            steps, names = plan.levels(levels)
            done = self._perform(steps)
            return {name: done[name] for name in names}

    def operate_all(self, version: Version) -> Summary:
        """The levels of a release above quick, all that are promised."""
        self.operate(version, Wanted())
        return self.publish(version)

    def _publish_earlier(self, stated: Manifest, levels: Mapping[Python, Level]) -> None:
        before = operating.before(self.workspace, stated.release)
        if (
            before is not None
            and set(levels.values()) - {Level.QUICK}
            and not operating.is_there(self.workspace, before)
        ):
            self.publish(before.upstream)

    def certify_all(self) -> tuple[Outcome, ...]:
        """What became of every release: certified as far as is promised."""
        versions = self.workspace.versions()
        for version in versions:
            join_index(self.workspace, version)
        failed: dict[str, Outcome] = {}

        def going_on(outcomes: Iterable[Outcome]) -> list[Version]:
            """The releases that nothing has ended yet: a level that failed, for hours perhaps, is not tried again."""
            failed.update({outcome.version: outcome for outcome in outcomes if outcome.error is not None})
            return [version for version in versions if str(version) not in failed]

        left = list(versions)
        if self.cluster is not None:
            # The wheels first, then all levels of all releases at once.
            left = going_on(self._each(lambda one, version: one.publish(version), left))
            many = replace(self, jobs=_AT_ONCE)
            left = going_on(many._each(lambda one, version: replace(one, jobs=_AT_ONCE).operate_all(version), left))
        certified = self._each(lambda one, version: one.certify(version), left)
        became = failed | {outcome.version: outcome for outcome in certified}
        return tuple(became[str(version)] for version in versions)

    def release_all(self, *, every: bool = False) -> tuple[Outcome, ...]:
        """What became of every release: made, published, installed, run and proven."""
        # Who shares the index is known before the first wheelhouse is filled: none is filled twice.
        for version in self.workspace.versions():
            join_index(self.workspace, version)
        return self._each(lambda one, version: one.release(version, every=every), self.workspace.versions())

    def build_all(self) -> tuple[Outcome, ...]:
        """What became of the patched wheels and the certified wheel of every release."""
        return self._each(lambda one, version: one.build(version), self.workspace.versions())

    def _each(
        self, operation: Callable[[Factory, Version], Summary], versions: Sequence[Version]
    ) -> tuple[Outcome, ...]:
        """What became of each release. Several are done at once; one that fails does not keep others from going on."""

        def one(version: Version) -> Outcome:
            recorder = Recorder(self.watcher, str(version))
            try:
                # One at a time within each: it is the releases that are done several at once.
                summary = operation(replace(self, jobs=1, watcher=recorder), version)
            # All else is a bug, which ends the whole run and is told as such.
            except (CertifiedError, OSError) as err:
                timings = timings_of(recorder.steps, recorder.seconds, recorder.first_failed)
                return Outcome(version=str(version), timings=timings, error=err)
            return Outcome(version=str(version), timings=summary.timings, not_done=summary.not_done)

        # The pool waits for its threads, and these wait for programs: those are ended first.
        with ThreadPoolExecutor(max_workers=self.jobs) as pool, processes.ended_when_interrupted():
            return tuple(pool.map(one, versions))

    def _made(self, plan: Plan, *names: str) -> Summary:
        """The named steps and all that they need are done; these vouch for their files."""
        steps = plan.up_to(*names)
        return _summary(plan, steps, self._perform(steps), names)

    def build(self, version: Version) -> Summary:
        """The patched wheels and the certified wheel are made; nothing is published or installed."""
        with self._plan(version) as plan:
            return self._made(plan, *plan.own_steps)

    def wheelhouse(self, version: Version) -> Summary:
        """The wheels that upstream lacks are made."""
        with self._plan(version) as plan:
            return self._made(plan, "wheelhouse")

    def publish(self, version: Version) -> Summary:
        """All wheels of the release are made and on the local index."""
        with self._plan(version) as plan:
            join_index(self.workspace, version)
            return self._made(plan, "publish")

    def prove(self, version: Version, names: Sequence[str], *, again: bool = False) -> Receipt:
        """The receipt of the proofs: of all of them, or of the named ones. `again` runs what is known already."""
        with self._plan(version) as plan:
            if names or again:
                steps = plan.chosen_proofs(names or proving.names(plan.run, plan.carried), again=again)
            else:
                steps = plan.proofs()
            # Chosen proofs are a step of another name than all of them.
            return self._perform(steps)[steps[-1].name]

    def prefer(self, version: Version, where: str) -> tuple[Path, ...]:
        """The files beside a release's manifest that say, for each Python, what upstream tested the version with.

        `where` is as `upstream_constraints.find` takes it. Nothing is written unless there are constraints for every
        Python: raises `UpstreamError`, or `ManifestError` for a file that holds something else than pins.
        """
        files = self._preferred(version, manifest.load(self.workspace, version).pythons, where)
        for path, text in files.items():
            disk.write_atomic(path, text)
        return tuple(files)

    def _preferred(self, version: Version, pythons: Sequence[Python], where: str) -> dict[Path, bytes]:
        from astronomer_certified.project import preferences
        from astronomer_certified.source import upstream_constraints

        folder, files = self.workspace.manifest(version).parent, {}
        for python in pythons:
            self.watcher.progress("constraints", f"looking for what upstream tested {version} with on Python {python}")
            found, content = upstream_constraints.find(where, version, python)
            pins = preferences.parsed(content, python, found)
            files[preferences.path_of(folder, python)] = preferences.rendered(
                version, python, disk.digest(content), pins
            )
        return files

    def constraints(self, version: Version, folder: Path) -> tuple[Path, ...]:
        """The files of constraints/X.Y.Z/, resolved anew and written to `folder`. Needs every Python of the release."""
        from .resolving import make_constraints  # here: a run that has nothing to do needs no resolver

        with self._plan(version) as plan:
            return make_constraints(plan, folder)

    def new(self, version: Version, *, prefer: str | None = None, resolve: bool = True) -> Draft:
        """The draft of a release that is not there yet, written to patches/VERSION/, with what a human must decide.

        With `prefer`, what upstream tested it with is kept beside it, as by `Factory.prefer`. With `resolve`, its core
        wheel is built and its closure resolved, as far as that goes. What stands there already is left alone: raises
        `ManifestError`.
        """
        from astronomer_certified.source import fetch, index_client

        from . import drafts

        # 2.9 is 2.9.0, which is how upstream calls it and its folder is called.
        if len(version.release) < len(_WHOLE) and not (version.is_prerelease or version.is_postrelease):
            version = Version(".".join(map(str, (*version.release, *_WHOLE)[: len(_WHOLE)])))
        path = self.workspace.manifest(version)
        if path.exists():
            raise ManifestError(f"{path} is there already", hint="remove the folder, or edit what is there")
        # Another draft is no model: nobody has decided yet what it guesses.
        finished = [known for known in self.workspace.versions() if not self._is_draft(known)]
        if not finished:
            raise ManifestError("there is no release that a draft could follow", hint="finish one of the drafts first")
        # The release before it, or the first there is: of a later line much is otherwise.
        follows = max((known for known in finished if known < version), default=min(finished))
        template = manifest.load(self.workspace, follows)
        self.watcher.progress("new", f"looking for {version} and its providers")
        with index_client.Pages() as pages:
            draft = drafts.draft(
                version, template, pages, lambda pinned: fetch.fetch(pinned, self.workspace), datetime.now(UTC)
            )
        # Before anything is written: a draft that lacks what was asked for would be in the way of the next attempt.
        preferred = {} if prefer is None else self._preferred(version, draft.pythons, prefer)
        disk.write_atomic(path.parent / "series", b"")
        for kept, text in (*preferred.items(), (path, draft.text.encode())):
            disk.write_atomic(kept, text)
        return self._tried(draft) if resolve else draft

    def _is_draft(self, version: Version) -> bool:
        from .drafts import MARK

        first = self.workspace.manifest(version).read_text(encoding="utf-8").partition("\n")[0]
        return first.startswith("#") and MARK in first

    def _tried(self, draft: Draft) -> Draft:
        """The draft after attempts to build and resolve it, each without what stopped the last where that is clear.

        What stops the last attempt is one more decision.
        """
        from . import amending
        from .drafts import Decision

        path = self.workspace.manifest(draft.version)
        for _ in range(_ATTEMPTS):
            try:
                self.constraints(draft.version, self.workspace.constraints(draft.version))
            except CertifiedError as err:
                better = amending.after(draft, err)
                if better is None:
                    return replace(draft, decisions=(*draft.decisions, amending.unsolved(err)), builds=False)
                draft = better
                disk.write_atomic(path, draft.text.encode())
            else:
                return replace(draft, builds=True)
        more = f"still no solution after {_ATTEMPTS} attempts: `certified constraints {draft.version}` says why"
        return replace(draft, decisions=(*draft.decisions, Decision(what=more)), builds=False)


def _summary(plan: Plan, steps: Sequence[Step], done: Mapping[str, Receipt], names: Sequence[str]) -> Summary:
    stated = plan.run.manifest
    return Summary(
        release=stated.release,
        target=stated.target,
        installed="install" in done and not done["install"].not_done,
        rows=tuple(
            Row(file=output.path, size=output.size, sha256=output.sha256)
            for name in names
            for output in done[name].outputs
        ),
        not_done=missing(done),
        timings=timings_of({step.name: step for step in steps}, {name: done[name].seconds for name in done}),
    )


def check(workspace: Workspace, version: Version) -> str:
    """One line that says what a release states.

    Raises `ManifestError`, `SeriesError` or `ConstraintsError` for what does not hold.
    """
    plan = Plan(Run(workspace, manifest.load(workspace, version), 1, Quiet()))
    run, stated = plan.run, plan.run.manifest
    digest = pinning.inputs_digest(stated, plan.carried)
    constraints.check_current(run.constraints_folder, digest, constraints.file_names(stated.pythons))
    patches = plan.carried.every()
    now = revisions.present(stated, patches, "")
    if problems := revisions.unexplained(stated, now):
        raise ManifestError(
            f"{stated.release.tag} does not fix any more what it fixed", details=problems, hint=revisions.HOW_TO_EXPLAIN
        )
    pins = ", ".join(f"{len(item.pins)} pins for {item.python}" for item in plan.committed.every())
    count = sum(len(item) for item in patches.values())
    line = f"{stated.release.tag}: {count} patches, {len(proving.names(run, plan.carried))} proofs, {pins}"
    recorded = {item.number: item for item in revisions.read(revisions.path_of(stated))}
    known = recorded.get(stated.release.revision)
    if recorded and (known is None or not known.same_as(now)):
        line += f"; not what {stated.release.tag} was recorded with: certified bump {version}"
    return line
