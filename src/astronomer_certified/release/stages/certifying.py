"""The receipts of all that was done -> the certificate of a release."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from astronomer_certified.build import certified_wheel
from astronomer_certified.effects import disk
from astronomer_certified.project import stated_files
from astronomer_certified.release.run import Run, missing, wheel_step_of
from astronomer_certified.steps.receipts import Made, Receipt
from astronomer_certified.steps.runner import Done, Step

from . import wheelhouse

if TYPE_CHECKING:
    from astronomer_certified.certify.certificate import Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The names of the steps that a certificate tells of, beside the proofs: by what they tried."""

    wheels: Sequence[str]
    installs: Sequence[str]
    installers: Sequence[str]
    levels: Sequence[str]

    @property
    def every(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.wheels, wheelhouse.NAME, *self.installs, *self.installers, *self.levels, "prove")


def step(run: Run, evidence: Evidence) -> Step:
    """The record of what was verified: how the wheels were made, what was tried with them, and the proofs."""
    target = run.workspace.certificate(run.release)

    def inputs(done: Done) -> Mapping[str, str]:
        return {name: disk.digest(_verified(done[name])) for name in evidence.every} | _built_with(run, done)

    def do(done: Done) -> Made:
        from astronomer_certified.certify import certificate  # here: a run that has nothing to do needs none of it

        made = _certificate(run, done, evidence)
        disk.write_atomic(target, certificate.rendered(made).encode())
        return Made(outputs=[target], note=target.name)

    # "constraints" is no evidence, but its receipt names every file of the project that counts.
    return run.step("certificate", inputs, do, needs=["constraints", *evidence.every])


def _built_with(run: Run, done: Done) -> dict[str, str]:
    """What the wheelhouse read of the project, without the files of other releases that share its index."""
    names = [path.relative_to(run.workspace.root).as_posix() for path in stated_files.of_builds(run.workspace)]
    return {name: done[wheelhouse.NAME].inputs[name] for name in names}


def _verified(receipt: Receipt) -> str:
    return json.dumps([receipt.record, [asdict(item) for item in receipt.not_done]], sort_keys=True, default=str)


def _certificate(run: Run, done: Done, evidence: Evidence) -> Certificate:
    """What the receipts say, as one record; what was not done here has no record, and stands under `not_done`."""
    from astronomer_certified.certify.certificate import (
        FORMAT,
        Certificate,
        HashedFile,
        Install,
        Installers,
        LevelReached,
        MadeWheel,
        PatchedWheel,
        Proofs,
        of_payload,
    )
    from astronomer_certified.formats.json_records import parsed

    def all_of(kind: type[Any], names: Iterable[str]) -> tuple[Any, ...]:
        return tuple(parsed(kind, done[name].record) for name in names if done[name].record)

    source, proven = run.manifest.core.source, all_of(Proofs, ["prove"])
    return Certificate(
        format=FORMAT,
        release=run.release.tag,
        source=HashedFile(file=source.filename, sha256=source.sha256),
        # What has a slash is the path of a file of the project; the rest is the tool and the folder.
        inputs={name: value for name, value in done["constraints"].inputs.items() if "/" in name}
        | _built_with(run, done)
        | of_payload(certified_wheel.payload()),
        patched_wheels=all_of(PatchedWheel, map(wheel_step_of, run.manifest.distributions)),
        certified_wheel=parsed(MadeWheel, done["certified wheel"].record),
        wheelhouse=tuple(parsed(MadeWheel, item) for item in done["wheelhouse"].record["wheels"]),
        installs=all_of(Install, evidence.installs),
        installers=all_of(Installers, evidence.installers),
        levels=all_of(LevelReached, evidence.levels),
        proofs=proven[0] if proven else None,
        not_done=missing(done),
    )
