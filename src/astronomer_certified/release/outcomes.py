"""What became of several releases -> the table that ends `--all`: version x Python x stage. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from astronomer_certified.artifacts import NotDone, Python
from astronomer_certified.errors import CertifiedError
from astronomer_certified.steps.runner import Step

_NOTHING = "-"
_ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One step of a release: its column in the table, its row (no Python: what is for all of them), its seconds.

    Seconds are those of the time that the step was last done; of a release that failed they are those of this run,
    None where there was nothing to do. A `minor` step is shown only when it `failed`.
    """

    stage: str
    python: str = ""
    seconds: float | None
    minor: bool = False
    failed: bool = False

    @property
    def cell(self) -> str:
        """What the table says of it."""
        if self.failed:
            return "FAILED"
        return "done" if self.seconds is None else f"{self.seconds:.1f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one of several releases: its steps, what was not done, and the error that ended it, if any."""

    version: str
    timings: tuple[Timing, ...] = ()
    not_done: tuple[NotDone, ...] = ()
    error: CertifiedError | OSError | None = None

    @property
    def result(self) -> str:
        """One line: complete, how much this machine could not do, or why it failed."""
        if self.error is not None:
            return f"FAILED: {str(self.error).splitlines()[0]}"
        return f"{len(self.not_done)} not done" if self.not_done else "complete"


def timings_of(
    steps: Mapping[str, Step], seconds: Mapping[str, float | None], failed: str | None = None
) -> tuple[Timing, ...]:
    """What the table shows of steps: of those with seconds, and of the one that failed."""
    return tuple(
        Timing(
            stage=step.shown.stage,
            python=step.shown.python,
            minor=step.shown.minor,
            seconds=seconds.get(name),
            failed=name == failed,
        )
        for name, step in steps.items()
        if name in seconds or name == failed
    )


def table(outcomes: Sequence[Outcome]) -> str:
    """A row for what each release is made of, and one for each Python it was installed on; a column for each stage."""
    cells = [(outcome, rows(outcome)) for outcome in outcomes]
    stages = list(dict.fromkeys(stage for _, found in cells for row in found.values() for stage in row))
    lines = [["version", "python", *stages, "result"]]
    for outcome, found in cells:
        for number, (python, shown) in enumerate(found.items()):
            # The result is that of the release: it stands once, in its first row.
            last = outcome.result if number == 0 else ""
            lines.append([outcome.version, python, *(shown.get(stage, _NOTHING) for stage in stages), last])
    widths = [max(len(line[column]) for line in lines) for column in range(len(stages) + 2)]
    return "\n".join(_line(line, widths) for line in lines)


def rows(outcome: Outcome) -> Mapping[str, Mapping[str, str]]:
    """What is shown of a release: by Python (`all` for what has none), by stage."""
    found: dict[str, dict[str, str]] = {_ALL: {}}
    for timing in outcome.timings:
        if timing.failed or not timing.minor:
            found.setdefault(timing.python or _ALL, {})[timing.stage] = timing.cell
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _order(python: str) -> tuple[bool, Python]:
    # By number: 3.10 comes after 3.9.
    return (False, Python(0, 0)) if python == _ALL else (True, Python.parse(python))


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    *words, result = cells
    padded = [
        cell.ljust(width) if n < 2 else cell.rjust(width)
        for n, (cell, width) in enumerate(zip(words, widths, strict=True))
    ]
    return "  ".join([*padded, result]).rstrip()
