"""The index -> a certified install of one target, run and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from packaging.version import Version

from astronomer_certified.artifacts import Target
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.effects import disk
from astronomer_certified.pythons import interpreters
from astronomer_certified.release.run import Run
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Shown, Step

from . import lacking

# The first pip whose --report says which archives it installed, with their hashes.
_FIRST_THAT_REPORTS = Version("22.2")


def steps(run: Run, committed: Committed, *, every: bool) -> tuple[Step, ...]:
    """The quick install, or that and the `default` extra on each Python of the release."""
    quick, *rest = run.manifest.targets
    return (
        _step(run, committed, quick, "install", "quick install"),
        *(_step(run, committed, target, f"install {target.python}", "install") for target in (rest if every else ())),
    )


def _step(run: Run, committed: Committed, target: Target, name: str, stage: str) -> Step:
    installer = run.workspace.installer("pip", run.manifest.pips[target.python])
    title = f"install of {target}"

    def inputs(done: Done) -> Mapping[str, str]:
        return {
            "published files": done["publish"].fingerprint,
            "what to install": title,
            "constraints": done["constraints"].fingerprint,
            **run.file_digests([installer]),
        }

    def do(done: Done) -> Made:
        pinned = committed.of(target.python)
        lack = lacking.for_install(lacking.thing(title, "install"), target, run.manifest, pinned, done["wheelhouse"])
        if lack is not None:
            return Made(not_done=[lack], note=f"not done: {lack.why}")
        return _installed(run, target, name, committed.known() | {output.sha256 for output in done["publish"].outputs})

    needs = ["publish", "constraints", "wheelhouse"]
    return run.step(name, inputs, do, needs, Shown(stage=stage, python=str(target.python)))


def _installed(run: Run, target: Target, name: str, allowed: frozenset[str]) -> Made:
    # Here: a run that has nothing to do needs neither server nor checks.
    from astronomer_certified.certify import install
    from astronomer_certified.index.http.server import Server
    from astronomer_certified.source.index_client import shown_url

    interpreter = interpreters.require(target.python, "the certified install")
    pip = run.manifest.pips[target.python]
    with (
        Server(run.workspace.store, fallback=shown_url()) as server,
        disk.scratch_folder(run.workspace.environments(run.release), "install") as scratch,
    ):
        installation = install.Installation(
            release=run.release,
            target=target,
            command_line=run.manifest.command_line,
            interpreter=interpreter,
            installer=run.workspace.installer("pip", pip),
            reports=pip >= _FIRST_THAT_REPORTS,
            simple_url=server.simple_url,
            allowed=allowed,
        )
        # Logs of its own for each install, as several run at once.
        places = install.Places(
            scratch=scratch, logs=run.logs / name.replace(" ", "-"), pip_cache=run.workspace.cache / "pip"
        )
        tried = install.certify(
            installation, places, lambda check, seconds: run.watcher.progress(name, f"{check} ({seconds:.1f} s)")
        )
    record = {
        "requirement": installation.requirement,
        "python": interpreter.full_version,
        "pip": str(pip),
        "checks": [asdict(check) for check in tried.checks],
    }
    note = f"{installation.requirement}: {len(tried.checks)} checks hold"
    return Made(record=record, not_done=tried.not_done, note=note)
