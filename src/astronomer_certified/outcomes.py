"""What became of several releases -> the table that ends `--all`: version x Python x stage. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .artifacts import NotDone, Python
from .errors import CertifiedError

_OF_A_PYTHON = re.compile(r"(.+) (\d\.\d+)")
_NOTHING = "-"
_CORE = "wheel apache-airflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one of several releases.

    `seconds` are those of the time that a step was last done, by its name. Of a release that failed they are those of
    this run, None where there was nothing to do. `quick` is the Python of the quick install. `failed` names the step
    that `error` ended, where it was one.
    """

    version: str
    quick: Python | None = None
    seconds: Mapping[str, float | None]
    not_done: tuple[NotDone, ...] = ()
    failed: str | None = None
    error: CertifiedError | OSError | None = None

    @property
    def result(self) -> str:
        """One line: complete, how much this machine could not do, or why it failed."""
        if self.error is not None:
            return f"FAILED: {str(self.error).splitlines()[0]}"
        return f"{len(self.not_done)} not done" if self.not_done else "complete"


def table(outcomes: Sequence[Outcome]) -> str:
    """A row for what each release is made of, and one for each Python it was installed on; a column for each stage."""
    cells = [(outcome, rows(outcome)) for outcome in outcomes]
    stages = list(dict.fromkeys(stage for _, found in cells for stages in found.values() for stage in stages))
    lines = [["version", "python", *stages, "result"]]
    for outcome, found in cells:
        for number, (python, seconds) in enumerate(found.items()):
            shown = [seconds.get(stage, _NOTHING) for stage in stages]
            lines.append([outcome.version, python, *shown, outcome.result if number == 0 else ""])
    widths = [max(len(line[column]) for line in lines) for column in range(len(stages) + 2)]
    return "\n".join(_line(line, widths) for line in lines)


def rows(outcome: Outcome) -> dict[str, dict[str, str]]:
    """What is shown of a release: by Python (`all` for what has none), by stage."""
    found: dict[str, dict[str, str]] = {"all": {}}
    shown = {name: "done" if seconds is None else f"{seconds:.1f}" for name, seconds in outcome.seconds.items()}
    if outcome.failed is not None:
        shown[outcome.failed] = "FAILED"
    for name, cell in shown.items():
        # What takes a moment is left out, unless it is what failed.
        if cell == "FAILED" or name == _CORE or not name.startswith(("fetch ", "wheel ")):
            python, stage = _place(name, outcome.quick)
            found.setdefault(python, {})[stage] = cell
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _place(name: str, quick: Python | None) -> tuple[str, str]:
    """The row and the column of a step."""
    if (match := _OF_A_PYTHON.fullmatch(name)) is not None:
        return match[2], match[1]
    if name in ("install", "installers") and quick is not None:
        return str(quick), "quick install" if name == "install" else name
    return "all", "core wheel" if name == _CORE else name


def _order(python: str) -> list[int]:
    return [0] if python == "all" else [int(part) for part in python.split(".")]


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    *words, result = cells
    padded = [
        cell.ljust(width) if n < 2 else cell.rjust(width)
        for n, (cell, width) in enumerate(zip(words, widths, strict=True))
    ]
    return "  ".join([*padded, result]).rstrip()
