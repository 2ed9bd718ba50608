"""Patched wheels + proofs -> each proof fails on upstream's wheel and passes on the patched one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from packaging.utils import NormalizedName

from astronomer_certified.artifacts import Wheel
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

from . import lacking

NAME = "prove"

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
    python = run.manifest.target.python
    wheels = [wheel_step_of(item) for item in run.manifest.distributions]

    def inputs(done: Done) -> Mapping[str, str]:
        return {
            **{name: done[name].fingerprint for name in wheels},
            "upstream wheel": run.manifest.core.upstream_wheel.sha256,
            "wheelhouse": done["wheelhouse"].fingerprint,
            **run.file_digests([*_locks(run), *sorted(run.workspace.proofs.glob("*.py"))]),
        }

    def do(done: Done) -> Made:
        wanted = names(run, carried)
        if not wanted:
            return Made(record={"python": "", "results": []}, note="no patch names a proof")
        title = f"proofs on Python {python}"
        pinned = committed.of(python)
        lack = lacking.for_install(
            lacking.thing(title, "proof run"), run.manifest.target, run.manifest, pinned, done["wheelhouse"]
        )
        if lack is not None:
            return Made(not_done=[lack], note=f"not done: {lack.why}")
        return _Proving(run, carried, committed, done).prove(wanted)

    return run.step(NAME, inputs, do, needs=[*wheels, "wheelhouse", "constraints"])


def chosen_step(run: Run, carried: Carried, committed: Committed, asked: Sequence[str], *, again: bool) -> Step:
    """Some proofs, by file name or CVE id; with `again` they are run whatever is known of them. Raises `ProofError`."""
    known = names(run, carried)
    chosen = []
    for name in asked:
        stem = name.lower().replace("-", "_").removesuffix(".py").removeprefix("test_")
        if f"test_{stem}.py" not in known:
            raise ProofError(f"no patch of {run.release.upstream} names the proof {name!r}", details=known)
        chosen.append(f"test_{stem}.py")
    now = str(time.time_ns())

    def inputs(done: Done) -> Mapping[str, str]:
        return {"asked for": now}

    def do(done: Done) -> Made:
        return _Proving(run, carried, committed, done).prove(chosen, again=again)

    return run.step("prove chosen", inputs, do, needs=step(run, carried, committed).needs, shown=Shown(stage=NAME))


def _locks(run: Run) -> tuple[Path, Path]:
    """The two files that lock the environment of the proofs."""
    python = run.manifest.target.python
    folder = run.constraints_folder
    return folder / f"constraints-{python}-hashes.txt", folder / f"proof-requirements-{python}.txt"


class _Proving:
    """Proofs of one release, with the wheels that the steps before made."""

    def __init__(self, run: Run, carried: Carried, committed: Committed, done: Done) -> None:
        self._run = run
        self._carried = carried
        self._done = done
        self._interpreter = interpreters.require(run.manifest.target.python, "the proofs")
        self._pinned = committed.of(run.manifest.target.python)

    def prove(self, wanted: Sequence[str], *, again: bool = False) -> Made:
        """The record of the wanted proofs, all of which hold; what is known of them already is not run, unless `again`.

        Raises `ProofError`.
        """
        from astronomer_certified.certify import proofs

        run = self._run
        sides = {(name, side): self._gone(name, side) for name in wanted for side in proofs.SIDES}
        wheels = {gone: self._wheels(gone) for gone in dict.fromkeys(sides.values())}
        digests = {key: self._digest(key[0], wheels[gone].values()) for key, gone in sides.items()}
        memory = proofs.Memory(run.workspace.proof_outcomes(run.release))
        known = {} if again else memory.recalled(digests)
        missing = dict.fromkeys(gone for key, gone in sides.items() if key not in known)
        with disk.scratch_folder(run.workspace.environments(run.release), NAME) as scratch:
            environments = {gone: scratch / ("-".join(("upstream", *gone)) if gone else "patched") for gone in missing}
            self._install({environments[gone]: wheels[gone] for gone in missing})
            bench = proofs.Bench(
                folder=run.workspace.proofs,
                environments={key: environments[gone] for key, gone in sides.items() if gone in missing},
                scratch=scratch,
                logs=run.logs / NAME,
                jobs=run.jobs,
                progress=lambda name, seconds: run.watcher.progress(NAME, f"{name} ({seconds:.1f} s)"),
            )
            results = proofs.prove(
                wanted, bench, known, lambda name, side, outcome: memory.keep(name, side, digests[name, side], outcome)
            )
        record = {"python": self._interpreter.full_version, "results": [asdict(result) for result in results]}
        remembered = f"; {len(known)} of {len(digests)} runs remembered" if known else ""
        note = f"{len(results)} proofs: fail on upstream, pass on {run.release.patched}{remembered}"
        return Made(record=record, note=note)

    def _gone(self, proof: str, side: str) -> Gone:
        """The distributions whose patches name a proof: it must fail with upstream's wheels of these."""
        if side != "upstream":
            return ()
        items = self._run.manifest.distributions
        return tuple(item.name for item in items if any(proof in patch.proofs for patch in self._carried.of(item.name)))

    def _wheels(self, gone: Gone) -> Mapping[NormalizedName, Wheel]:
        """The wheel of each patched distribution, with upstream's for those that are `gone`."""
        return {
            item.name: wheel_at(fetch.fetch(item.upstream_wheel, self._run.workspace).path)
            if item.name in gone
            else made_wheel(self._done, item)
            for item in self._run.manifest.distributions
        }

    def _digest(self, name: str, wheels: Iterable[Wheel]) -> str:
        """The digest of all that decides what a proof says of these wheels."""
        folder = self._run.workspace.proofs
        shared = sorted(path for path in folder.glob("*.py") if not path.name.startswith("test_"))
        return disk.digest(
            *(wheel.sha256 for wheel in wheels),
            self._interpreter.full_version,
            self._done["wheelhouse"].fingerprint,
            code.digest_of(__name__),
            *(f"{path.name} {disk.sha256_of(path)}" for path in (folder / name, *shared, *_locks(self._run))),
        )

    def _install(self, sides: Mapping[Path, Mapping[NormalizedName, Wheel]]) -> None:
        """An environment of the quick install for each side: its wheels are all in which they differ."""
        from astronomer_certified.pythons import pinned_environment

        run = self._run
        wanted = self._pinned.wanted_by(run.manifest, run.manifest.target)
        shelf = pinned_environment.Shelf(
            wheels=tuple(wheel_at(output.path) for output in self._done["wheelhouse"].outputs)
        )
        also = [_locks(run)[1]]

        def install(environment: Path) -> None:
            # The core is no pin of its own constraints; a repair counts only where the extras of the proofs want it.
            given = [
                readable(wheel, environment.with_name(f"{environment.name}-wheels"))
                for name, wheel in sides[environment].items()
                if name in wanted or name == run.manifest.core.name
            ]
            contents = pinned_environment.Contents(
                constraints=self._pinned, names=wanted - sides[environment].keys(), shelf=shelf, also=also, wheels=given
            )
            pinned_environment.install(environment, self._interpreter, contents)

        with ThreadPoolExecutor(max_workers=run.jobs) as pool:
            list(pool.map(install, sides))
