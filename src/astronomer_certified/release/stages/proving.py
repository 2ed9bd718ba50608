"""Patched wheels + proofs -> each proof fails on upstream's wheel and passes on the patched one."""

from __future__ import annotations

import difflib
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from packaging.utils import NormalizedName

from astronomer_certified.artifacts import Interpreter, NotDone, Wheel
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.effects import disk
from astronomer_certified.errors import ProofError, SeriesError
from astronomer_certified.formats.wheel_files import readable, wheel_at
from astronomer_certified.patches.series import Carried
from astronomer_certified.pythons import interpreters
from astronomer_certified.release.run import Run, made_wheel, wheel_step_of
from astronomer_certified.source import fetch
from astronomer_certified.steps import code
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Shown, Step

from . import lacking, wheelhouse

NAME = "prove"

# The file that says of an environment that all of it is there.
_WHOLE = "whole"

# The distributions of which an environment has upstream's wheel in place of ours: none on the patched side.
Gone = tuple[NormalizedName, ...]


def names(run: Run, carried: Carried) -> tuple[str, ...]:
    """The proofs that the series name, each once. Raises `SeriesError` for one that is not there."""
    named = dict.fromkeys(
        name for item in run.manifest.distributions for patch in carried.of(item.name) for name in patch.proofs
    )
    missing = [name for name in named if not (run.workspace.proofs / name).is_file()]
    if missing:
        raise SeriesError(
            f"{run.manifest.core.folder}/series names proofs that are not there", details=missing,
            hint=f"write them to {run.workspace.proofs}, or correct the Proof fields",
        )  # fmt: skip
    return tuple(named)


def step(run: Run, carried: Carried, committed: Committed) -> Step:
    """Every proof that the series name holds."""
    wheels = [wheel_step_of(item) for item in run.manifest.distributions]

    def inputs(done: Done) -> Mapping[str, str]:
        return {
            **{name: done[name].fingerprint for name in wheels},
            "upstream wheel": run.manifest.core.upstream_wheel.sha256,
            "wheelhouse": done[wheelhouse.OF_PROOFS].fingerprint,
            **run.file_digests([*_locks(run), *_files(run.workspace.proofs)]),
        }

    def do(done: Done) -> Made:
        wanted = names(run, carried)
        if not wanted:
            return Made(record={"python": "", "results": []}, note="no patch names a proof")
        return _proven(_Proving(run, carried, committed, done), wanted)

    return run.step(NAME, inputs, do, needs=[*wheels, wheelhouse.OF_PROOFS, "constraints"])


def chosen(run: Run, carried: Carried, asked: Sequence[str]) -> tuple[str, ...]:
    """The proofs that somebody means by their file names, or by ids of vulnerabilities. Raises `ProofError`."""
    known = names(run, carried)
    found = []
    for name in asked:
        stem = name.lower().replace("-", "_").removesuffix(".py").removeprefix("test_")
        if f"test_{stem}.py" not in known:
            near = difflib.get_close_matches(f"test_{stem}.py", known, 3, 0.6)
            raise ProofError(
                f"no patch of {run.release.upstream} names the proof {name!r}",
                details=() if near else known,
                hint=f"did you mean {' or '.join(near)}?" if near else None,
            )
        found.append(f"test_{stem}.py")
    return tuple(found)


def chosen_step(run: Run, carried: Carried, committed: Committed, wanted: Sequence[str], *, again: bool) -> Step:
    """Some proofs; with `again` they are run whatever is known of them. It needs only what their environments hold."""
    # Never the same, so never up to date: who names a proof wants an answer, if only what is remembered.
    now = str(time.time_ns())
    target = run.manifest.target
    held = committed.of(target.python).wanted_by(run.manifest, target)
    needed = [
        item
        for item in run.manifest.distributions
        if item.name in held
        or item.name == run.manifest.core.name
        or any(set(wanted) & set(patch.proofs) for patch in carried.of(item.name))
    ]

    def inputs(done: Done) -> Mapping[str, str]:
        return {"asked for": now}

    def do(done: Done) -> Made:
        return _proven(_Proving(run, carried, committed, done), wanted, again=again)

    needs = [*map(wheel_step_of, needed), wheelhouse.OF_PROOFS, "constraints"]
    return run.step("prove chosen", inputs, do, needs=needs, shown=Shown(stage=NAME))


def _proven(proving: _Proving, wanted: Sequence[str], *, again: bool = False) -> Made:
    lack = proving.lack()
    if lack is not None:
        return Made(not_done=[lack], note=f"not done: {lack.why}")
    return proving.prove(wanted, again=again)


def _locks(run: Run) -> tuple[Path, Path]:
    """The two files that lock the environment of the proofs."""
    python = run.manifest.target.python
    folder = run.constraints_folder
    return folder / f"constraints-{python}-hashes.txt", folder / f"proof-requirements-{python}.txt"


def _files(folder: Path) -> list[Path]:
    """The proofs, what they share, and their data."""
    hidden = ("__pycache__", ".")
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(part.startswith(hidden) for part in path.relative_to(folder).parts))


def _read_by(name: str, folder: Path) -> list[Path]:
    """A proof, and the files that it may read.

    What proofs share counts for each of them, but the data in a folder that is named for a proof, such as x/ for
    test_x.py, for that one alone.
    """

    def counts(path: Path) -> bool:
        first, *below = path.relative_to(folder).parts
        if not below:
            return first == name or not first.startswith("test_")
        owner = f"test_{first}.py"
        return owner == name or not (folder / owner).is_file()

    return list(filter(counts, _files(folder)))


class _Proving:
    """Proofs of one release, with the wheels that the steps before made."""

    def __init__(self, run: Run, carried: Carried, committed: Committed, done: Done) -> None:
        self._run = run
        self._carried = carried
        self._done = done
        self._pinned = committed.of(run.manifest.target.python)
        self._held = self._pinned.wanted_by(run.manifest, run.manifest.target)
        self._kept = run.workspace.proof_environments(run.release)

    def lack(self) -> NotDone | None:
        """What keeps the proofs from being run on this machine."""
        target = self._run.manifest.target
        title = lacking.thing(f"proofs on Python {target.python}", "proof run")
        return lacking.for_install(title, target, self._run.manifest, self._pinned, self._done[wheelhouse.OF_PROOFS])

    def prove(self, wanted: Sequence[str], *, again: bool = False) -> Made:
        """The record of the wanted proofs, all of which hold; what is known of them already is not run, unless `again`.

        Raises `ProofError`.
        """
        from astronomer_certified.certify import proof_runs, proofs

        run = self._run
        sides = {(name, side): self._gone(name, side) for name in wanted for side in proofs.SIDES}
        wheels = {gone: self._wheels(gone) for gone in dict.fromkeys(sides.values())}
        places = {gone: self._place(gone, wheels[gone].values()) for gone in wheels}
        digests = {key: self._digest(key[0], wheels[gone].values()) for key, gone in sides.items()}
        memory = proofs.Memory(run.workspace.proof_outcomes(run.release))
        known = {} if again else memory.recalled(digests)
        self._have({places[gone]: wheels[gone] for key, gone in sides.items() if key not in known})
        # In memory: the databases of the proofs commit a thousand times, and a disk makes each of them wait.
        with disk.scratch_folder(disk.memory_folder(self._kept), NAME) as scratch:
            bench = proof_runs.Bench(
                folder=run.workspace.proofs,
                environments={key: places[gone] for key, gone in sides.items() if key not in known},
                scratch=scratch,
                logs=run.logs / NAME,
                jobs=run.jobs,
                progress=lambda name, seconds: run.watcher.progress(NAME, f"{name} ({seconds:.1f} s)"),
            )
            outcomes = {**known, **proof_runs.outcomes(bench)}
        for name in wanted:
            # Before the verdict, which may raise: what holds is not run again when the others are put right.
            if not proofs.judge(name, *(outcomes[name, side] for side in proofs.SIDES)):
                for side in proofs.SIDES:
                    memory.keep(name, side, digests[name, side], outcomes[name, side])

        def by_hand(name: str, side: str) -> str:
            return proof_runs.by_hand(places[sides[name, side]], run.workspace.proofs, name)

        results = proofs.verdict(wanted, outcomes, by_hand)
        record = {"python": self._interpreter.full_version, "results": [asdict(result) for result in results]}
        remembered = f"; {len(known)} of {len(digests)} runs remembered" if known else ""
        note = f"{len(results)} proofs: fail on upstream, pass on {run.release.patched}{remembered}"
        return Made(record=record, note=note)

    @property
    def _interpreter(self) -> Interpreter:
        return interpreters.require(self._run.manifest.target.python, "the proofs")

    def _gone(self, proof: str, side: str) -> Gone:
        """The distributions whose patches name a proof: it must fail with upstream's wheels of these."""
        if side != "upstream":
            return ()
        items = self._run.manifest.distributions
        return tuple(item.name for item in items if any(proof in patch.proofs for patch in self._carried.of(item.name)))

    def _wheels(self, gone: Gone) -> Mapping[NormalizedName, Wheel]:
        """The wheels of patched distributions that an environment holds, with upstream's for those that are `gone`. A
        repair counts only where the extras of the proofs want it."""
        return {
            item.name: wheel_at(fetch.fetch(item.upstream_wheel, self._run.workspace).path)
            if item.name in gone
            else made_wheel(self._done, item)
            for item in self._run.manifest.distributions
            if item.name in self._held or item.name == self._run.manifest.core.name
        }

    def _contents(self, wheels: Iterable[Wheel]) -> str:
        """The digest of all that is in an environment with these wheels."""
        return disk.digest(
            *sorted(wheel.sha256 for wheel in wheels),
            self._interpreter.full_version,
            *sorted(output.sha256 for output in self._done[wheelhouse.OF_PROOFS].outputs),
            *map(disk.sha256_of, _locks(self._run)),
        )

    def _place(self, gone: Gone, wheels: Iterable[Wheel]) -> Path:
        """Where the environment is that has upstream's wheels of what is `gone`."""
        return self._kept / f"{'-'.join(('upstream', *gone)) if gone else 'patched'}-{self._contents(wheels)[:12]}"

    def _digest(self, name: str, wheels: Iterable[Wheel]) -> str:
        """The digest of all that decides what a proof says of these wheels."""
        folder = self._run.workspace.proofs
        return disk.digest(
            self._contents(wheels),
            code.digest_of(__name__),
            *(f"{path.relative_to(folder).as_posix()} {disk.sha256_of(path)}" for path in _read_by(name, folder)),
        )

    def _have(self, wanted: Mapping[Path, Mapping[NormalizedName, Wheel]]) -> None:
        """An environment of the quick install for each side is there: its wheels are all in which they differ.

        It is kept for the next time, and those whose place it takes are removed.
        """
        sides = {place.name.rpartition("-")[0] for place in wanted}
        # Hidden ones are scratch folders of this run.
        for old in self._kept.glob("[!.]*"):
            replaced = old not in wanted and old.name.rpartition("-")[0] in sides
            if replaced or (old in wanted and not (old / _WHOLE).is_file()):
                shutil.rmtree(old, ignore_errors=True)
        missing = [place for place in wanted if not place.is_dir()]
        with ThreadPoolExecutor(max_workers=self._run.jobs) as pool:
            # `list` raises here what was raised in a thread.
            list(pool.map(lambda place: self._install(place, wanted[place]), missing))

    def _install(self, environment: Path, wheels: Mapping[NormalizedName, Wheel]) -> None:
        from astronomer_certified.pythons import pinned_environment

        run = self._run
        run.watcher.progress(NAME, f"making {environment.name}")
        with disk.scratch_folder(self._kept, "wheels") as scratch:
            contents = pinned_environment.Contents(
                constraints=self._pinned,
                names=self._held - wheels.keys(),
                shelf=pinned_environment.Shelf(
                    wheels=tuple(wheel_at(output.path) for output in self._done[wheelhouse.OF_PROOFS].outputs)
                ),
                also=[_locks(run)[1]],
                wheels=[readable(wheel, scratch) for wheel in wheels.values()],
            )
            pinned_environment.install(environment, self._interpreter, contents)
        # Last: without it, an environment is one that a killed run left.
        disk.write_atomic(environment / _WHOLE, b"")
