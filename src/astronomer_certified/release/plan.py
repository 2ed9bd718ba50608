"""A run -> its steps: which stages there are, and what each needs.

fetch -> wheel (for each patched distribution)          ┐
constraints -> certified wheel                          ├-> publish -> install, installers, levels ┐
constraints -> wheelhouse -> sources                    ┘                                          ├-> certificate
wheels + constraints + wheelhouse -> prove                                                         ┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from astronomer_certified.artifacts import Distribution, Python
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.effects import disk
from astronomer_certified.patches.series import Carried
from astronomer_certified.steps.runner import Step
from astronomer_certified.workspace import Workspace

from .run import Run, wheel_step_of
from .stages import (
    certified_wheel,
    certifying,
    fetching,
    installing,
    operating,
    pinning,
    proving,
    publishing,
    sources,
    trying_installers,
    wheel,
    wheelhouse,
)

if TYPE_CHECKING:
    from astronomer_certified.certify.level import Level


class Plan:
    """The steps of one release. What it reads was written by humans; what its steps make goes to the workspace."""

    def __init__(self, run: Run) -> None:
        self.run = run
        # Shared by all steps, so that a run reads each series and each file of constraints once.
        self.carried = Carried(run.manifest.distributions)
        self.committed = Committed(run.constraints_folder, run.manifest.pythons)

    @property
    def own_steps(self) -> tuple[str, ...]:
        """The names of the steps that make the wheels of this release."""
        return (*map(wheel_step_of, self.run.manifest.distributions), certified_wheel.NAME)

    def wheel_steps(self, item: Distribution, locked: Path | None = None) -> tuple[Step, ...]:
        """The steps that make one patched distribution; see `stages.wheel.step`."""
        return fetching.step(self.run, item), wheel.step(self.run, item, self.carried, locked)

    def making(self) -> tuple[Step, ...]:
        """Every step up to the wheels."""
        return (
            pinning.step(self.run, self.carried, self.committed),
            *(step for item in self.run.manifest.distributions for step in self.wheel_steps(item)),
            certified_wheel.step(self.run, self.carried, self.committed),
            wheelhouse.step(self.run),
            sources.step(self.run),
            wheelhouse.step_of_proofs(self.run, self.committed, after=[wheelhouse.NAME]),
        )

    def verifying(self, *, every: bool = False, levels: Mapping[Python, Level] | None = None) -> tuple[Step, ...]:
        """The steps after the wheels are made.

        With `every`, those of all Pythons and installers are among them; with `levels`, the release in operation.
        """
        installs = installing.steps(self.run, self.committed, every=every)
        installers = trying_installers.steps(self.run, self.committed) if every else ()
        operated = operating.steps(self.run, self.carried, self.committed, levels) if levels else ()
        evidence = certifying.Evidence(
            wheels=self.own_steps, installs=_names(installs), installers=_names(installers), levels=_names(operated)
        )
        return (
            publishing.step(self.run, self.carried, self.own_steps),
            proving.step(self.run, self.carried, self.committed),
            *installs,
            *installers,
            *operated,
            certifying.step(self.run, evidence),
        )

    def levels(self, levels: Mapping[Python, Level]) -> tuple[list[Step], tuple[str, ...]]:
        """The steps that try some Pythons at some level, with all that they need, and the names of those that try.

        What the level *quick* is stands for itself; *services* is tried after *full*.
        """
        above = {python: level for python, level in levels.items() if level.above_quick}
        tried = [
            *(step for step in installing.steps(self.run, self.committed, every=True) if _tries(step, levels, above)),
            *operating.steps(self.run, self.carried, self.committed, above),
        ]
        return self._needed(self.verifying(every=True, levels=above), tried), tuple(_names(tried))

    def up_to(self, *names: str) -> list[Step]:
        """The named steps and all that they need, in the plan's order."""
        verifying = self.verifying()
        return self._needed(verifying, [step for step in (*self.making(), *verifying) if step.name in names])

    def _needed(self, verifying: Sequence[Step], wanted_steps: Sequence[Step]) -> list[Step]:
        steps = {step.name: step for step in (*self.making(), *verifying)}
        wanted: set[str] = set()
        ahead = _names(wanted_steps)
        while ahead:
            name = ahead.pop()
            if name not in wanted:
                wanted.add(name)
                ahead.extend(steps[name].needs)
        return [step for step in steps.values() if step.name in wanted]

    def proofs(self) -> list[Step]:
        """The steps that run all proofs, the last of them, and all that it needs."""
        return self._proving(proving.step(self.run, self.carried, self.committed))

    def chosen_proofs(self, names: Sequence[str], *, again: bool) -> list[Step]:
        """The steps that run some proofs, by file name or CVE id, and all that these need. Raises `ProofError`."""
        wanted = proving.chosen(self.run, self.carried, names)
        return self._proving(proving.chosen_step(self.run, self.carried, self.committed, wanted, again=again))

    def _proving(self, step: Step) -> list[Step]:
        # Without the wheelhouse of the index: what the proofs need of it is little.
        own = wheelhouse.step_of_proofs(self.run, self.committed)
        return [*self.up_to(*(need for need in step.needs if need != own.name)), own, step]


def _tries(install: Step, levels: Mapping[Python, Level], above: Mapping[Python, Level]) -> bool:
    """Whether an install is what some Python is to be tried at: those that are tried further are installed again."""
    return any(install.shown.python == str(python) for python in levels if python not in above)


def _names(steps: Sequence[Step]) -> list[str]:
    return [step.name for step in steps]


def join_index(workspace: Workspace, version: Version) -> None:
    """A release counts among those that share the index, from before its wheelhouse is filled.

    Of two releases that are made at the same time, the one that joins last sees the other and cares for both.
    """
    if not workspace.sharing(version).exists():
        disk.write_atomic(workspace.sharing(version), b"")
