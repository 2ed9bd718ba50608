"""The index -> what pips of the era, pips of today and uv make of the one command."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from astronomer_certified.artifacts import Target
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.effects import disk
from astronomer_certified.errors import InstallError
from astronomer_certified.pythons import interpreters
from astronomer_certified.release.run import Run
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Shown, Step

from . import lacking


def steps(run: Run, committed: Committed) -> tuple[Step, ...]:
    """The quick install with every installer that runs on its Python; on the others with the oldest and newest."""
    quick = run.manifest.target
    rest = [python for python in run.manifest.pythons if python != quick.python]
    return (
        _step(run, committed, quick, "installers"),
        *(_step(run, committed, replace(quick, python=python), f"installers {python}") for python in rest),
    )


def _step(run: Run, committed: Committed, target: Target, name: str) -> Step:
    title = f"installers of {target}"

    def inputs(done: Done) -> Mapping[str, str]:
        return {
            "published files": done["publish"].fingerprint,
            "what to install": title,
            "constraints": done["constraints"].fingerprint,
            **run.file_digests(sorted(run.workspace.installers.glob("*.txt"))),
        }

    def do(done: Done) -> Made:
        pinned = committed.of(target.python)
        lack = lacking.for_install(
            lacking.thing(title, "installer trial"), target, run.manifest, pinned, done["wheelhouse"]
        )
        if lack is not None:
            return Made(not_done=[lack], note=f"not done: {lack.why}")
        return _tried(run, target, name)

    needs = ["publish", "constraints", "wheelhouse"]
    return run.step(name, inputs, do, needs, Shown(stage="installers", python=str(target.python)))


def _tried(run: Run, target: Target, name: str) -> Made:
    # Here: a run that has nothing to do needs neither server nor installers.
    from astronomer_certified.certify import installers
    from astronomer_certified.index.http.server import Server
    from astronomer_certified.source.index_client import shown_url

    interpreter = interpreters.require(target.python, "trying installers")
    requirement = target.requirement(run.release)
    place = run.workspace.environments(run.release)

    with Server(run.workspace.store, fallback=shown_url()) as server:
        wanted = installers.Wanted(
            requirement=requirement, release=run.release, interpreter=interpreter, simple_url=server.simple_url
        )

        def tried(installer: installers.Installer) -> installers.Trial:
            # No blank in the name: pip writes it, unquoted, into the first line of scripts such as 1.10's airflow.
            with disk.scratch_folder(place, f"installer-{installer.name}-{installer.version}") as scratch:
                trial = installers.trial(installer, wanted, scratch)
            run.watcher.progress(name, f"{installer}: {trial.failure or 'ok'} ({trial.seconds} s)")
            return trial

        found = installers.of(run.workspace.installers, target.python)
        if target != run.manifest.target:
            found = installers.ends(found)
        with ThreadPoolExecutor(max_workers=run.jobs) as pool:
            trials = tuple(pool.map(tried, found))
    # After all of them, so that one run tells every installer that cannot.
    failures = [f"{trial.installer}: {trial.failure}" for trial in trials if trial.failure]
    if failures:
        raise InstallError(f"{requirement} on Python {target.python}: not every installer can", details=failures)
    record = {
        "requirement": requirement,
        "python": interpreter.full_version,
        "trials": [{"installer": trial.installer, "seconds": trial.seconds} for trial in trials],
    }
    return Made(record=record, note=f"{requirement}: {len(trials)} installers")
