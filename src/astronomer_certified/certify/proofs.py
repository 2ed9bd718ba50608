"""Patches' proofs, run twice each -> results. The same locked environment, with only the wheel exchanged whose patch
names the proof: upstream's must fail in an assertion of it, the patched one must pass.

`proof_runs` runs them; here is what their outcomes mean, and what is remembered of them.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from astronomer_certified.effects.disk import write_atomic
from astronomer_certified.errors import ProofError

SIDES = ("upstream", "patched")
# pytest ends a failure's text with where it was raised: `test_x.py:12: AssertionError`.
_RAISED = re.compile(r"^(?P<file>[^\s:]+\.py):\d+: (?P<error>\w+)", re.MULTILINE)
_NO_XML = re.compile(r"\x1b\[[0-9;]*m|[\x00-\x08\x0b\x0c\x0e-\x1f]")
# `Failed` is what pytest.raises and pytest.fail raise: assertions too.
_ASSERTIONS = ("AssertionError", "Failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test of a proof in one environment: passed, skipped, or where and with what it failed."""

    name: str
    passed: bool
    skipped: bool = False
    raised_in: str = ""
    error: str = ""

    def fails_in(self, proof: str) -> bool:
        """Whether it failed in an assertion of that proof, not in a broken import or fixture."""
        return not self.passed and self.raised_in == proof and self.error in _ASSERTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run of one proof. How it `ended`, if not by itself with a report of its tests: `was ended by SIGSEGV`."""

    cases: tuple[Case, ...]
    seconds: float
    output: str
    ended: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofResult:
    """A proof that holds: how many tests tell upstream and patched apart, how many guard the legitimate use."""

    name: str
    fails_upstream: int
    passes_both: int
    seconds: float


class Memory:
    """Outcomes of earlier runs, by the digest of all that went into them. Only of proofs that held."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, name: str, side: str) -> Path:
        return self._folder / f"{Path(name).stem}-{side}.json"

    def recall(self, name: str, side: str, inputs: str) -> Outcome | None:
        """The outcome with these inputs; None when there is none, or none that can be read."""
        try:
            values = json.loads(self._path(name, side).read_bytes())
            if values["inputs"] != inputs:
                return None
            cases = tuple(Case(**case) for case in values["cases"])
            return Outcome(cases=cases, seconds=values["seconds"], output="")
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def recalled(self, inputs: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], Outcome]:
        """The outcomes that are known, of proofs and sides with the digests of their inputs."""
        found = {key: self.recall(*key, digest) for key, digest in inputs.items()}
        return {key: outcome for key, outcome in found.items() if outcome is not None}

    def keep(self, name: str, side: str, inputs: str, outcome: Outcome) -> None:
        """The outcome is there for the next time."""
        cases = [asdict(case) for case in outcome.cases]
        values = {"inputs": inputs, "seconds": round(outcome.seconds, 3), "cases": cases}
        write_atomic(self._path(name, side), (json.dumps(values, indent=1) + "\n").encode())


def verdict(
    names: Sequence[str], outcomes: Mapping[tuple[str, str], Outcome], by_hand: Callable[[str, str], str]
) -> tuple[ProofResult, ...]:
    """The result of each named proof, of which all hold. Raises `ProofError` that names every one that does not, and
    says how to run the first of them `by_hand`: the line for a proof and a side."""
    problems = {name: judge(name, *(outcomes[name, side] for side in SIDES)) for name in names}
    wrong = [name for name in names if problems[name]]
    if wrong:
        lines = [problem for name in wrong for problem in problems[name]]
        side = "patched" if any("on the patched wheel" in line for line in problems[wrong[0]]) else "upstream"
        raise ProofError("not every proof holds", details=lines, hint=f"run it by hand: {by_hand(wrong[0], side)}")
    return tuple(_result(name, *(outcomes[name, side] for side in SIDES)) for name in names)


def judge(name: str, upstream: Outcome, patched: Outcome) -> list[str]:
    """What speaks against a proof; empty when it holds."""
    problems = []
    for where, outcome in (("upstream", upstream), ("the patched wheel", patched)):
        if outcome.ended:
            problems.append(f"{name}: on {where} it {outcome.ended}; it last printed: {_last_lines(outcome.output)}")
        elif not outcome.cases:
            problems.append(f"{name}: on {where} no test ran: {_last_lines(outcome.output)}")
    if problems:
        return problems
    for case in upstream.cases:
        if not case.passed and not case.skipped and not case.fails_in(name):
            problems.append(
                f"{name}: on upstream {case.name} fails with {case.error or 'an error'}"
                f" in {case.raised_in or 'set-up'}, not in an assertion of the proof"
            )
    # One that is broken there is said to be, which is enough: nobody knows what it would have shown.
    if not problems and not any(case.fails_in(name) for case in upstream.cases):
        problems.append(f"{name}: passes on upstream, so it proves nothing")
    problems += [
        f"{name}: on the patched wheel {case.name} fails: {case.error} in {case.raised_in or 'set-up'}"
        for case in patched.cases
        if not case.passed and not case.skipped
    ]
    if all(case.skipped for case in patched.cases):
        problems.append(f"{name}: every test is skipped on the patched wheel")
    return problems


def _result(name: str, upstream: Outcome, patched: Outcome) -> ProofResult:
    failing = {case.name for case in upstream.cases if case.fails_in(name)}
    both = [case for case in patched.cases if case.passed and case.name not in failing]
    return ProofResult(
        name=name,
        fails_upstream=len(failing),
        passes_both=len(both),
        seconds=round(upstream.seconds + patched.seconds, 1),
    )


def cases(report: Path) -> tuple[Case, ...]:
    """The test cases of a JUnit XML report that pytest wrote."""
    # Old pytests write signs of a message that XML has not, such as the escape of a colour.
    text = _NO_XML.sub("", report.read_text(encoding="utf-8", errors="replace"))
    root = ET.fromstring(text)  # noqa: S314  written by our own pytest a moment ago
    return tuple(_case(element) for element in root.iter("testcase"))


def _case(element: ET.Element) -> Case:
    name = element.get("name", "?")
    broken = element.find("error")
    failure = element.find("failure")
    if broken is not None:
        return Case(name=name, passed=False, error="an error outside of the test")
    if failure is not None:
        raised = list(_RAISED.finditer(failure.text or ""))
        # The last: pytest shows the frames from the outside to where it was raised.
        last = raised[-1].groupdict() if raised else {"file": "", "error": failure.get("message", "")[:80]}
        return Case(name=name, passed=False, raised_in=Path(last["file"]).name, error=last["error"])
    skipped = element.find("skipped") is not None
    return Case(name=name, passed=not skipped, skipped=skipped)


def _last_lines(output: str) -> str:
    return " / ".join(output.strip().splitlines()[-3:])
