"""Patches' proofs, run twice each -> results. The same locked environment, with only the wheel exchanged whose patch
names the proof: upstream's must fail in an assertion of it, the patched one must pass. Works in scratch folders.
"""

from __future__ import annotations

import json
import re
import shutil
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from astronomer_certified.effects.disk import write_atomic
from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.errors import ProofError
from astronomer_certified.pythons import environments

SIDES = ("upstream", "patched")
_TIMEOUT = 600.0
# pytest ends a failure's text with where it was raised: `test_x.py:12: AssertionError`.
_RAISED = re.compile(r"^(?P<file>[^\s:]+\.py):\d+: (?P<error>\w+)", re.MULTILINE)
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
    """One run of one proof."""

    cases: tuple[Case, ...]
    seconds: float
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofResult:
    """A proof that holds: how many tests tell upstream and patched apart, how many guard the legitimate use."""

    name: str
    fails_upstream: int
    passes_both: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where proofs are run: their folder, an environment for each proof and side to run, scratch space, and logs."""

    folder: Path
    environments: Mapping[tuple[str, str], Path]
    scratch: Path
    logs: Path
    jobs: int
    progress: Callable[[str, float], None]


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


def prove(
    names: Sequence[str],
    bench: Bench,
    known: Mapping[tuple[str, str], Outcome],
    keep: Callable[[str, str, Outcome], None],
) -> tuple[ProofResult, ...]:
    """The result of each named proof. What is not `known` is run; what a proof that holds was made of is kept.

    Raises `ProofError` that names every proof which does not hold, and why.
    """

    def one(name: str, side: str) -> Outcome:
        outcome = _run(name, bench.folder, bench.environments[name, side], bench.scratch / f"{Path(name).stem}-{side}")
        write_atomic(bench.logs / f"{Path(name).stem}-{side}.txt", outcome.output.encode())
        bench.progress(f"{name} on {side}", outcome.seconds)
        return outcome

    runs = [(name, side) for name in names for side in SIDES]
    with ThreadPoolExecutor(max_workers=bench.jobs) as pool:
        futures = {key: pool.submit(one, *key) for key in runs if key not in known}
        outcomes = {**known, **{key: future.result() for key, future in futures.items()}}
    problems: list[str] = []
    for name in names:
        found = judge(name, *(outcomes[name, side] for side in SIDES))
        problems += found
        if not found:
            for side in SIDES:
                keep(name, side, outcomes[name, side])
    if problems:
        raise ProofError(
            "not every proof holds",
            details=problems,
            hint=f"what pytest said is in {bench.logs}; certified prove VERSION NAME runs one alone",
        )
    return tuple(_result(name, *(outcomes[name, side] for side in SIDES)) for name in names)


def judge(name: str, upstream: Outcome, patched: Outcome) -> list[str]:
    """What speaks against a proof; empty when it holds."""
    problems = []
    if not upstream.cases or not patched.cases:
        problems.append(f"{name}: no test ran: {_last_lines(upstream.output)}")
        return problems
    for case in upstream.cases:
        if not case.passed and not case.skipped and not case.fails_in(name):
            problems.append(
                f"{name}: on upstream {case.name} fails with {case.error or 'an error'}"
                f" in {case.raised_in or 'set-up'}, not in an assertion of the proof"
            )
    if not any(case.fails_in(name) for case in upstream.cases):
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


def _run(name: str, folder: Path, environment: Path, scratch: Path) -> Outcome:
    # A copy, so that no configuration above the project's folder reaches the proofs, nor a cache of theirs the project.
    here = scratch / "proofs"
    shutil.copytree(folder, here, ignore=shutil.ignore_patterns("__pycache__"))
    (scratch / "home").mkdir()
    (scratch / "tmp").mkdir()
    report = scratch / "report.xml"
    words: list[str | Path] = [
        environments.python_of(environment), "-m", "pytest", "-c", "/dev/null", "--rootdir", here,
        "-p", "no:cacheprovider", "--junitxml", report, "-q", name,
    ]  # fmt: skip
    env = clean_environment(
        HOME=str(scratch / "home"),
        TMPDIR=str(scratch / "tmp"),
        PYTHONDONTWRITEBYTECODE="1",
        AIRFLOW_HOME=str(scratch / "home" / "airflow"),
    )
    env["PATH"] = f"{environment / 'bin'}:{env.get('PATH', '')}"
    start = time.monotonic()
    completed = run(words, cwd=here, env=env, timeout=_TIMEOUT, check=False)
    seconds = time.monotonic() - start
    cases = _cases(report) if report.is_file() else ()
    return Outcome(cases=cases, seconds=seconds, output=completed.stdout + completed.stderr)


def _cases(report: Path) -> tuple[Case, ...]:
    """The test cases of a JUnit XML report that pytest wrote."""
    root = ET.parse(report).getroot()  # noqa: S314  written by our own pytest a moment ago
    return tuple(_case(element) for element in root.iter("testcase"))


def _case(element: ET.Element) -> Case:
    name = element.get("name", "?")
    broken = element.find("error")
    failure = element.find("failure")
    if broken is not None:
        return Case(name=name, passed=False, error="an error outside of the test")
    if failure is not None:
        raised = list(_RAISED.finditer(failure.text or ""))
        last = raised[-1].groupdict() if raised else {"file": "", "error": failure.get("message", "")[:80]}
        return Case(name=name, passed=False, raised_in=Path(last["file"]).name, error=last["error"])
    skipped = element.find("skipped") is not None
    return Case(name=name, passed=not skipped, skipped=skipped)


def _last_lines(output: str) -> str:
    return " / ".join(output.strip().splitlines()[-3:])
