"""A release's wheels -> the steps that publish, install, run and prove them, and the certificate of it all.

wheels + wheelhouse -> publish -> install ┐
wheel + constraints + wheelhouse -> prove ┴-> certificate
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

from packaging.utils import NormalizedName
from packaging.version import Version

from . import effects, interpreters, revisions
from .artifacts import Constraints, Interpreter, NotDone, Target, Wheel
from .errors import InstallError, ProofError, SeriesError
from .plan import Plan, code, file_digests, fingerprint, not_done
from .receipts import Receipt
from .steps import Done, Made, Step, digest
from .wheel_files import readable, wheel_at

# The first pip whose --report says which archives it installed, with their hashes.
_FIRST_THAT_REPORTS = Version("22.2")
# What locks the environment of the proofs.
_LOCKS = (("constraints", "-hashes"), ("proof-requirements", ""))


class Evidence:
    """The steps after the wheels of a plan are made."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def publish_step(self) -> Step:
        made = (*self.plan.own_steps, "wheelhouse")

        def inputs(done: Done) -> Mapping[str, str]:
            return {"index": str(self.plan.workspace.store), **{name: fingerprint(done[name]) for name in made}}

        def do(done: Done) -> Made:
            from . import index

            revisions.check(self.plan.manifest, self.plan.patches)
            # How the description of a repaired distribution renders is its author's business, as in the wheelhouse.
            repairs = {f"wheel {item.name}" for item in self.plan.manifest.repairs}
            own = [output.path for name in self.plan.own_steps if name not in repairs for output in done[name].outputs]
            foreign = [output.path for name in (*sorted(repairs), "wheelhouse") for output in done[name].outputs]
            credentials = index.ensure_credentials(self.plan.workspace.htpasswd, self.plan.workspace.upload_secret)

            def twine(argv: Sequence[str], *, env: Mapping[str, str]) -> effects.Completed:
                return effects.run(argv, env=env, check=False)

            with index.Server(
                self.plan.workspace.store, credentials=self.plan.workspace.htpasswd, fallback=False
            ) as server:
                published = index.publish(own, server.url, credentials, run=twine)
                published += index.publish(foreign, server.url, credentials, run=twine, foreign=True)
            new = sum(file.uploaded for file in published)
            stored = [self.plan.workspace.store / file.filename for file in published]
            return Made(outputs=stored, note=f"{new} new files, {len(published) - new} there already")

        return self.plan.step("publish", inputs, do, *made)

    def install_step(self, target: Target, name: str = "install") -> Step:
        """One certified install, run and checked."""
        installer = self.plan.workspace.installer("pip", self.plan.manifest.pips[target.python])
        title = f"install of {target}"

        def inputs(done: Done) -> Mapping[str, str]:
            return {
                "published files": fingerprint(done["publish"]),
                "what to install": title,
                "constraints": fingerprint(done["constraints"]),
                "tool": code("certify.py"),
                **file_digests(self.plan.workspace.root, [installer]),
            }

        def do(done: Done) -> Made:
            lack = self._lack(title, target, done["wheelhouse"])
            if lack is not None:
                return Made(record={"not_done": not_done([lack])}, note=f"not done: {lack.why}")
            return self._install(name, target, done, installer)

        return self.plan.step(name, inputs, do, "publish", "constraints")

    def _lack(self, title: str, target: Target, wheelhouse: Receipt) -> NotDone | None:
        """What keeps an install from being done here; None when nothing does."""
        if interpreters.find(target.python) is None:
            return interpreters.not_there(target.python, title)
        [pinned] = [item for item in self.plan.constraints if item.python == target.python]
        wanted = self._wanted(pinned, target)
        for item in wheelhouse.record.get("not_done", []):
            if item["python"] == str(target.python) and item["project"] in wanted:
                return NotDone(what=title, why=f"it needs the {item['what']}, which is not done", how=item["how"])
        return None

    def _wanted(self, pinned: Constraints, target: Target) -> frozenset[NormalizedName]:
        """The names that an installation consists of, the core itself left out."""
        extras = self.plan.manifest.default_extras if "default" in target.extras else target.extras
        return pinned.core.union(*(pinned.extras[extra] for extra in extras))

    def _install(self, name: str, target: Target, done: Done, installer: Path) -> Made:
        from . import certify, index
        from .upstream_index import shown_url

        interpreter = interpreters.require(target.python, "the certified install")
        known = {h for item in self.plan.constraints for pin in item.pins.values() for h in pin.sha256}
        known |= {output.sha256 for output in done["publish"].outputs}
        with (
            index.Server(self.plan.workspace.store, fallback=shown_url()) as server,
            effects.scratch_folder(self.plan.workspace.environments(self.plan.release), "install") as scratch,
        ):
            installation = certify.Installation(
                release=self.plan.release,
                target=target,
                command_line=self.plan.manifest.command_line,
                interpreter=interpreter,
                installer=installer,
                reports=self.plan.manifest.pips[target.python] >= _FIRST_THAT_REPORTS,
                simple_url=server.simple_url,
            )
            checks = certify.certify(
                installation, frozenset(known), scratch, self.plan.logs / name.replace(" ", "-"),
                self.plan.workspace.cache / "pip",
                lambda check, seconds: self.plan.watcher.progress(name, f"{check} ({seconds:.1f} s)"),
            )  # fmt: skip
        record = {
            "requirement": installation.requirement,
            "python": interpreter.full_version,
            "pip": str(self.plan.manifest.pips[target.python]),
            "checks": [asdict(check) for check in checks],
        }
        return Made(record=record, note=f"{installation.requirement}: {len(checks)} checks hold")

    def install_steps(self, *, every: bool) -> tuple[Step, ...]:
        """The quick install, or that and the `default` extra on each Python of the release."""
        quick, *rest = self.plan.manifest.targets
        return (
            self.install_step(quick),
            *(self.install_step(target, f"install {target.python}") for target in (rest if every else ())),
        )

    def installers_step(self, target: Target, name: str = "installers") -> Step:
        """The one command, as every installer of constraints/installers/ and uv carry it out on one Python."""
        title = f"installers of {target}"

        def inputs(done: Done) -> Mapping[str, str]:
            return {
                "published files": fingerprint(done["publish"]),
                "what to install": title,
                "constraints": fingerprint(done["constraints"]),
                "tool": code("installers.py", "environments.py"),
                **file_digests(self.plan.workspace.root, sorted(self.plan.workspace.installers.glob("*.txt"))),
            }

        def do(done: Done) -> Made:
            lack = self._lack(title, target, done["wheelhouse"])
            if lack is not None:
                return Made(record={"not_done": not_done([lack])}, note=f"not done: {lack.why}")
            return self._try_installers(target, name)

        return self.plan.step(name, inputs, do, "publish", "constraints", "wheelhouse")

    def installers_steps(self) -> tuple[Step, ...]:
        """The quick install with every installer that runs on its Python; on the others with the oldest and newest."""
        quick = self.plan.manifest.target
        rest = [python for python in self.plan.manifest.pythons if python != quick.python]
        return (
            self.installers_step(quick),
            *(self.installers_step(replace(quick, python=python), f"installers {python}") for python in rest),
        )

    def _try_installers(self, target: Target, name: str) -> Made:
        from . import index, installers
        from .upstream_index import shown_url

        interpreter = interpreters.require(target.python, "trying installers")
        requirement = target.requirement(self.plan.release)
        place = self.plan.workspace.environments(self.plan.release)

        with index.Server(self.plan.workspace.store, fallback=shown_url()) as server:

            def tried(installer: installers.Installer) -> installers.Trial:
                # No blank in the name: pip writes it, unquoted, into the first line of scripts such as 1.10's airflow.
                with effects.scratch_folder(place, f"installer-{installer.name}-{installer.version}") as scratch:
                    trial = installers.trial(
                        installer, requirement, self.plan.release, interpreter, server.simple_url, scratch
                    )
                self.plan.watcher.progress(name, f"{installer}: {trial.failure or 'ok'} ({trial.seconds} s)")
                return trial

            found = installers.of(self.plan.workspace.installers, target.python)
            if target != self.plan.manifest.target:
                found = installers.ends(found)
            with ThreadPoolExecutor(max_workers=self.plan.jobs) as pool:
                trials = tuple(pool.map(tried, found))
        failures = [f"{trial.installer}: {trial.failure}" for trial in trials if trial.failure]
        if failures:
            raise InstallError(f"{requirement} on Python {target.python}: not every installer can", details=failures)
        record = {
            "requirement": requirement,
            "python": interpreter.full_version,
            "installers": [{"installer": trial.installer, "seconds": trial.seconds} for trial in trials],
        }
        return Made(record=record, note=f"{requirement}: {len(trials)} installers")

    def prove_step(self) -> Step:
        python = self.plan.manifest.target.python
        requirements = self.plan.folder / f"proof-requirements-{python}.txt"
        core, *repairs = (f"wheel {item.name}" for item in self.plan.manifest.distributions)

        def inputs(done: Done) -> Mapping[str, str]:
            return {
                "core wheel": fingerprint(done[core]),
                **{name: fingerprint(done[name]) for name in repairs},
                "upstream wheel": self.plan.manifest.core.upstream_wheel.sha256,
                "wheelhouse": fingerprint(done["wheelhouse"]),
                "tool": code("proofs.py", "locked.py", "environments.py"),
                **file_digests(
                    self.plan.workspace.root, [requirements, self.plan.folder / f"constraints-{python}-hashes.txt"]
                ),
                **file_digests(self.plan.workspace.root, sorted(self.plan.workspace.proofs.glob("*.py"))),
            }

        def do(done: Done) -> Made:
            names = self.proof_names()
            if not names:
                return Made(record={"proofs": []}, note="no patch names a proof")
            lack = self._lack(f"proofs on Python {python}", self.plan.manifest.target, done["wheelhouse"])
            if lack is not None:
                return Made(record={"not_done": not_done([lack])}, note=f"not done: {lack.why}")
            return self.prove(names, done)

        return self.plan.step("prove", inputs, do, core, *repairs, "wheelhouse", "constraints")

    def proof_names(self) -> tuple[str, ...]:
        """The proofs that the series name, each once. Raises `SeriesError` for one that is not there."""
        named = dict.fromkeys(name for item in self.plan.patches.values() for patch in item for name in patch.proofs)
        missing = [name for name in named if not (self.plan.workspace.proofs / name).is_file()]
        if missing:
            raise SeriesError(
                f"{self.plan.manifest.core.folder}/series names proofs that are not there", details=missing,
                hint=f"write them to {self.plan.workspace.proofs}, or correct the Proof fields",
            )  # fmt: skip
        return tuple(named)

    def prove(self, names: Sequence[str], done: Done, *, again: bool = False) -> Made:
        from . import proofs

        interpreter = interpreters.require(self.plan.manifest.target.python, "the proofs")
        exchanged = {name: self._proven_by(name) for name in names}
        sides = {(name, side): exchanged[name] if side == "upstream" else () for name in names for side in proofs.SIDES}
        wheels = {gone: self._wheels_without(gone, done) for gone in dict.fromkeys(sides.values())}
        inputs = {
            (name, side): self._proof_inputs(name, wheels[gone], interpreter, done)
            for (name, side), gone in sides.items()
        }
        memory = proofs.Memory(self.plan.workspace.proof_outcomes(self.plan.release))
        recalled = {} if again else {key: memory.recall(*key, digest) for key, digest in inputs.items()}
        known = {key: outcome for key, outcome in recalled.items() if outcome is not None}
        missing = {gone: wheels[gone] for key, gone in sides.items() if key not in known}
        with effects.scratch_folder(self.plan.workspace.environments(self.plan.release), "prove") as scratch:
            environments = {gone: scratch / ("-".join(("upstream", *gone)) if gone else "patched") for gone in missing}
            self._install_sides({environments[gone]: missing[gone] for gone in missing}, interpreter, done)
            bench = proofs.Bench(
                folder=self.plan.workspace.proofs,
                environments={key: environments[gone] for key, gone in sides.items() if gone in missing},
                scratch=scratch,
                logs=self.plan.logs / "prove",
                jobs=self.plan.jobs,
                progress=lambda name, seconds: self.plan.watcher.progress("prove", f"{name} ({seconds:.1f} s)"),
            )
            results = proofs.prove(
                names, bench, known, lambda name, side, outcome: memory.keep(name, side, inputs[name, side], outcome)
            )
        record = {"python": interpreter.full_version, "proofs": [asdict(result) for result in results]}
        remembered = f"; {len(known)} of {len(inputs)} runs remembered" if known else ""
        note = f"{len(results)} proofs: fail on upstream, pass on {self.plan.release.patched}{remembered}"
        return Made(record=record, note=note)

    def _proven_by(self, proof: str) -> tuple[NormalizedName, ...]:
        """The distributions whose patches name a proof: it must fail with upstream's wheels of these."""
        plan = self.plan
        return tuple(
            item.name
            for item in plan.manifest.distributions
            if any(proof in patch.proofs for patch in plan.patches[item.name])
        )

    def _wheels_without(self, gone: Sequence[NormalizedName], done: Done) -> Mapping[NormalizedName, Wheel]:
        """The wheel of each patched distribution, with upstream's for those that are `gone`."""
        return {
            item.name: wheel_at(self.plan.fetch(item.upstream_wheel).path)
            if item.name in gone
            else self.plan.made_wheel(done, item)
            for item in self.plan.manifest.distributions
        }

    def _proof_inputs(
        self, name: str, wheels: Mapping[NormalizedName, Wheel], interpreter: Interpreter, done: Done
    ) -> str:
        """The digest of all that decides what a proof says of these wheels."""
        python, folder = interpreter.python, self.plan.workspace.proofs
        shared = sorted(path for path in folder.glob("*.py") if not path.name.startswith("test_"))
        locks = [self.plan.folder / f"{kind}-{python}{end}.txt" for kind, end in _LOCKS]
        return digest(
            *(wheel.sha256 for wheel in wheels.values()),
            interpreter.full_version,
            fingerprint(done["wheelhouse"]),
            code("proofs.py", "locked.py", "environments.py"),
            *(f"{path.name} {effects.sha256_of(path)}" for path in (folder / name, *shared, *locks)),
        )

    def _install_sides(
        self, sides: Mapping[Path, Mapping[NormalizedName, Wheel]], interpreter: Interpreter, done: Done
    ) -> None:
        """A locked environment of the quick install for each side: its wheels are all in which they differ."""
        from . import locked

        [pinned] = [item for item in self.plan.constraints if item.python == interpreter.python]
        wanted = self._wanted(pinned, self.plan.manifest.target)
        shelf = locked.Shelf(wheels=tuple(wheel_at(output.path) for output in done["wheelhouse"].outputs))
        also = [self.plan.folder / f"proof-requirements-{interpreter.python}.txt"]

        def install(environment: Path) -> None:
            # The core is no pin of its own constraints; a repair counts only where the extras of the proofs want it.
            given = [
                readable(wheel, environment.with_name(f"{environment.name}-wheels"))
                for name, wheel in sides[environment].items()
                if name in wanted or name == self.plan.manifest.core.name
            ]
            names = wanted - sides[environment].keys()
            locked.install(environment, interpreter, pinned, names, shelf, also=also, wheels=given)

        with ThreadPoolExecutor(max_workers=self.plan.jobs) as pool:
            list(pool.map(install, sides))

    def certificate_step(self, installs: Sequence[str]) -> Step:
        """The record of what was verified, of the named installs among it."""
        target = self.plan.workspace.certificate(self.plan.release)
        evidence = (*self.plan.own_steps, "wheelhouse", *installs, "prove")

        def inputs(done: Done) -> Mapping[str, str]:
            return {name: digest(json.dumps(done[name].record, sort_keys=True, default=str)) for name in evidence}

        def do(done: Done) -> Made:
            certificate = {
                "release": self.plan.release.tag,
                "source": {
                    "file": self.plan.manifest.core.source.filename,
                    "sha256": self.plan.manifest.core.source.sha256,
                },
                "constraints": {name: value for name, value in done["constraints"].inputs.items() if "/" in name},
                **{name: dict(done[name].record) for name in evidence},
            }
            effects.write_atomic(target, (json.dumps(certificate, indent=1, sort_keys=True) + "\n").encode())
            return Made(outputs=[target], note=target.name)

        return self.plan.step("certificate", inputs, do, *evidence)

    def chosen_proofs_step(self, names: Sequence[str], *, again: bool) -> Step:
        """Some proofs, by file name or CVE id; with `again` they are run whatever is known of them."""
        known = self.proof_names()
        chosen = []
        for name in names:
            stem = name.lower().replace("-", "_").removesuffix(".py").removeprefix("test_")
            if f"test_{stem}.py" not in known:
                raise ProofError(f"no patch of {self.plan.release.upstream} names the proof {name!r}", details=known)
            chosen.append(f"test_{stem}.py")
        step = self.prove_step()
        now = str(time.time_ns())
        return self.plan.step(
            "prove chosen",
            lambda done: {"asked for": now},
            lambda done: self.prove(chosen, done, again=again),
            *step.needs,
        )

    def steps(self, *, every: bool = False) -> tuple[Step, ...]:
        """The steps, after those of the plan; with `every`, of a complete certificate."""
        installs = (*self.install_steps(every=every), *(self.installers_steps() if every else ()))
        certificate = self.certificate_step([step.name for step in installs])
        return self.publish_step(), self.prove_step(), *installs, certificate
