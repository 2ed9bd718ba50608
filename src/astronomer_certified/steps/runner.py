"""Steps with needs, inputs and receipts -> all of them up to date, independent ones in parallel.

Knows nothing of Airflow: a step says what it needs, what goes into it and how it is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from astronomer_certified.effects import processes

from . import receipts
from .receipts import Made, Receipt

Done = Mapping[str, Receipt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The place of a step in a table of several releases: its column, and its row, that of a Python or of all.

    A `minor` one is shown there only if it failed.
    """

    stage: str = ""
    python: str = ""
    minor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. `inputs` gives digests by name and may read the receipts of what it needs; `do` gives what it made."""

    name: str
    shown: Shown = Shown()
    needs: tuple[str, ...] = ()
    inputs: Callable[[Done], Mapping[str, str]]
    do: Callable[[Done], Made]
    receipt: Path


class Watcher(Protocol):
    """Who is told how the work goes on. Called from several threads."""

    def planned(self, steps: Sequence[Step]) -> None:
        """These steps will be done, or found up to date."""

    def started(self, name: str, why: str) -> None:
        """A step begins; `why` says why it is not up to date."""

    def progress(self, name: str, detail: str) -> None:
        """A step goes on."""

    def finished(self, name: str, seconds: float, note: str) -> None:
        """A step is done, after so many seconds."""

    def up_to_date(self, name: str) -> None:
        """A step has nothing to do."""

    def failed(self, name: str, error: BaseException) -> None:
        """A step ended with an error."""


def _one(step: Step, done: Done, watcher: Watcher) -> Receipt:
    start = time.monotonic()
    try:
        # Taken before the work: what changes while the step is being done makes it stale the next time.
        inputs = step.inputs(done)
        receipt = receipts.read(step.receipt)
        why = receipts.why_stale(receipt, inputs)
        if why is None and receipt is not None:
            watcher.up_to_date(step.name)
            return receipt
        watcher.started(step.name, why or "")
        # While a step is being done, the receipt of its last time must not vouch for anything.
        step.receipt.unlink(missing_ok=True)
        made = step.do(done)
        seconds = time.monotonic() - start
        receipt = receipts.write(step.receipt, inputs, made, seconds)
    except BaseException as err:
        watcher.failed(step.name, err)
        raise
    watcher.finished(step.name, seconds, made.note)
    return receipt


def perform(steps: Sequence[Step], jobs: int, watcher: Watcher) -> dict[str, Receipt]:
    """The receipts of all steps by name. At most `jobs` run at a time.

    After a failure no further step starts, those under way end, and the first error is raised.
    """
    watcher.planned(steps)
    done: dict[str, Receipt] = {}
    waiting = list(steps)
    running: dict[Future[Receipt], Step] = {}
    errors: list[BaseException] = []
    # The pool waits for its threads, and these wait for programs: those are ended first.
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="step") as pool, processes.ended_when_interrupted():
        while waiting or running:
            ready = [step for step in waiting if all(need in done for need in step.needs)] if not errors else []
            # No more than there are threads for: one that waits in the pool's queue would start even after a failure.
            for step in ready[: jobs - len(running)]:
                waiting.remove(step)
                # A copy: the step reads it in its own thread while this one adds to the original.
                running[pool.submit(_one, step, dict(done), watcher)] = step
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                step = running.pop(future)
                if (error := future.exception()) is not None:
                    errors.append(error)
                    # Minutes may pass until all is told again: who watches should know what for.
                    for other in running.values():
                        watcher.progress(other.name, f"{step.name} failed; this one ends first, and nothing new begins")
                else:
                    done[step.name] = future.result()
    if errors:
        raise errors[0]
    if waiting:
        raise ValueError(f"steps that need a step which is not among them: {[step.name for step in waiting]}")
    return done
