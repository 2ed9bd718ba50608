"""The index -> a release in operation on one Python, at the level *full* or *services*, compared with upstream."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from astronomer_certified.artifacts import NotDone, Python, Release, Target
from astronomer_certified.build import certified_wheel
from astronomer_certified.certify.level import Level
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.effects import disk
from astronomer_certified.errors import InstallError
from astronomer_certified.patches.series import Carried
from astronomer_certified.project import differences, manifest, services
from astronomer_certified.release.run import Run
from astronomer_certified.source import fetch
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Shown, Step
from astronomer_certified.workspace import Workspace

from . import lacking

if TYPE_CHECKING:
    from astronomer_certified.certify.levels import Contrast, Seen
    from astronomer_certified.certify.trial import Tried


def steps(run: Run, carried: Carried, committed: Committed, levels: Mapping[Python, Level]) -> tuple[Step, ...]:
    """Each Python's levels up to the one that is named for it, above *quick*."""
    return tuple(
        _step(run, carried, committed, python, level)
        for python, highest in levels.items()
        for level in highest.above_quick
    )


def _step(run: Run, carried: Carried, committed: Committed, python: Python, level: Level) -> Step:
    from astronomer_certified.certify.levels import EXTRAS

    target = Target(python=python, extras=EXTRAS)
    earlier = before(run.workspace, run.release)

    def inputs(done: Done) -> Mapping[str, str]:
        return {
            "published files": done["publish"].fingerprint,
            "what to install": f"{level} of {target}",
            "constraints": done["constraints"].fingerprint,
            "the release before it": _sha256(run.workspace, earlier),
            "servers": " ".join(sorted(_available(run))),
            **run.file_digests([run.workspace.services, run.workspace.differences]),
        }

    def do(done: Done) -> Made:
        pinned = committed.of(python)
        title = lacking.thing(f"{level} on Python {python}", "level")
        lack = lacking.for_install(title, target, run.manifest, pinned, done["wheelhouse"])
        lack = lack or _server_lacking(run, title, level)
        if lack is not None:
            return Made(not_done=[lack], note=f"not done: {lack.why}")
        return _Trial(run, carried, target, level, earlier).made(_own_wheels(run, done))

    shown = Shown(stage=str(level), python=str(python))
    return run.step(f"{level} {python}", inputs, do, ["publish", "constraints", "wheelhouse"], shown)


def before(workspace: Workspace, release: Release) -> Release | None:
    """The release of the version before this one in its line; None where the project has none."""
    own = release.upstream
    line = [known for known in workspace.versions() if known < own and known.release[:1] == own.release[:1]]
    return manifest.load(workspace, max(line)).release if line else None


def is_there(workspace: Workspace, release: Release) -> bool:
    """Whether the local index has a release."""
    return _sha256(workspace, release) != ""


def _sha256(workspace: Workspace, release: Release | None) -> str:
    """Of the certified wheel of a release on the local index; empty where there is none."""
    name = f"astronomer_certified-{release.certified}-*.whl" if release is not None else ""
    found = next(workspace.store.glob(name), None) if name else None
    return disk.sha256_of(found) if found is not None else ""


def _own_wheels(run: Run, done: Done) -> Mapping[str, str]:
    """The sha256 of the core wheel and the certified wheel, as they were published, by `NAME==VERSION`.

    Repairs are not among them: there may be a Python whose pins are of another version of what is repaired.
    """
    own = {(run.manifest.core.name, run.release.patched), (certified_wheel.NAME, run.release.certified)}
    wheels = [output for output in done["publish"].outputs if output.path.suffix == ".whl"]
    pins = {parse_wheel_filename(output.path.name)[:2]: output.sha256 for output in wheels}
    return {f"{name}=={version}": sha256 for (name, version), sha256 in pins.items() if (name, version) in own}


def _programs(run: Run) -> Mapping[str, tuple[str, ...]]:
    return {name: item.programs for name, item in services.load(run.workspace.services).items()}


def _available(run: Run) -> frozenset[str]:
    """The servers that can run on this machine."""
    from astronomer_certified.certify import trial

    return trial.available(_programs(run))


def _server_lacking(run: Run, title: NotDone, level: Level) -> NotDone | None:
    from astronomer_certified.certify import levels

    # Others may have what this machine has not: they say so themselves.
    wanted = [name for name in levels.needed(level) if name not in _available(run)] if run.cluster is None else []
    if not wanted:
        return None
    known = services.load(run.workspace.services)
    return replace(title, why=f"no {' and no '.join(wanted)} is on this machine", how=_how(known, wanted))


def _how(known: Mapping[str, services.Service], names: Sequence[str]) -> str:
    return f"apt-get install {' '.join(known[name].package for name in names)}; other systems have them, too"


class _Trial:
    """One level of one release on one Python."""

    def __init__(self, run: Run, carried: Carried, target: Target, level: Level, earlier: Release | None) -> None:
        self._run = run
        self._target = target
        self._level = level
        self._earlier = earlier
        self._before = earlier if earlier is not None and is_there(run.workspace, earlier) else None
        self._patches = tuple(patch.name for patch in carried.of(run.manifest.core.name))
        self._name = f"{level} {target.python}"
        # Kept when it fails, so that people can look at it; removed when it holds, and before it is tried again.
        self._folder = run.workspace.environments(run.release) / self._name.replace(" ", "-")

    def made(self, wheels: Mapping[str, str]) -> Made:
        """The record of what was seen of these wheels. Raises `InstallError`."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        tried = self._tried(wheels)
        explained = self._explained(tried.seen.contrasts)
        shutil.rmtree(self._folder, ignore_errors=True)
        record = {
            "level": str(self._level),
            "requirement": self._target.requirement(self._run.release),
            "python": tried.python,
            "install_seconds": tried.install_seconds,
            "checks": [asdict(check) for check in tried.seen.checks],
            "differences": explained,
        }
        note = f"{len(tried.seen.checks)} checks hold, {len(explained)} differences from upstream, each by a patch"
        return Made(record=record, not_done=self._not_done(tried.seen), note=note)

    def _tried(self, wheels: Mapping[str, str]) -> Tried:
        """What was seen here, or on a machine of the cluster."""
        from astronomer_certified.certify import elsewhere, trial
        from astronomer_certified.index.http.server import Server
        from astronomer_certified.source.index_client import shown_url

        run = self._run
        wheel = fetch.fetch(run.manifest.core.upstream_wheel, run.workspace).path
        with Server(run.workspace.store, fallback=shown_url()) as server:
            wanted = trial.Trial(
                level=self._level,
                release=run.release,
                command_line=run.manifest.command_line,
                target=self._target,
                wheels=wheels,
                before=self._before,
                simple_url=(run.cluster_index if run.cluster is not None else None) or server.simple_url,
                services=_programs(run),
            )
            if run.cluster is not None:
                run.watcher.progress(self._name, "waiting for a worker of the cluster")
                return elsewhere.carry_out(run.cluster, wanted, wheel, run.workspace.tool_requirements)
            places = trial.Places(
                folder=self._folder,
                logs=run.logs / self._name.replace(" ", "-"),
                progress=lambda check, taken: run.watcher.progress(self._name, f"{check} ({taken:.1f} s)"),
            )
            return trial.carry_out(wanted, wheel, places)

    def _explained(self, found: Sequence[Contrast]) -> list[dict[str, str]]:
        """Each difference with the patch that is its reason. Raises `InstallError` for those without."""
        known = differences.load(self._run.workspace.differences)
        explained, open_ = [], []
        for contrast in found:
            fits = (item for item in known if item.explains(**asdict(contrast)))
            reasons = (item.carried(self._patches) for item in fits)
            patch = next(filter(None, reasons), "")
            if patch:
                explained.append({**asdict(contrast), "patch": patch})
            else:
                open_.append(
                    f"{contrast.check}, {contrast.part}: upstream {contrast.upstream!r}, here {contrast.certified!r}"
                )
        if open_:
            raise InstallError(
                f"{self._run.release.tag} in operation, level {self._level} on Python {self._target.python}:"
                f" {len(open_)} differences from upstream that no patch explains",
                details=open_,
                hint=f"correct the patch, or state the reason in {self._run.workspace.differences}",
            )
        return explained

    def _not_done(self, seen: Seen) -> list[NotDone]:
        known, python = services.load(self._run.workspace.services), str(self._target.python)
        found = [
            NotDone(
                what=f"{check} ({self._level} on Python {python})",
                why=f"no {' and no '.join(names)} is on this machine",
                how=_how(known, names), kind="check", python=python,
            )
            for check, names in seen.lacking.items()
        ]  # fmt: skip
        if self._level is Level.FULL and self._earlier is not None and self._before is None:
            version: Version = self._earlier.upstream
            found.append(
                NotDone(
                    what=f"database of {version} upgraded (full on Python {python})",
                    why=f"the index has no {self._earlier.tag}",
                    how=f"certified publish {version}", kind="check", python=python,
                )
            )  # fmt: skip
        return found
