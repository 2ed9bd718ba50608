"""Manifest + constraints + payload -> the certified wheel."""

from __future__ import annotations

from collections.abc import Mapping

from astronomer_certified.build import certified_wheel
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.effects.disk import digest
from astronomer_certified.release.run import Run
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Step

NAME = "certified wheel"


def step(run: Run, committed: Committed) -> Step:
    """The certified wheel is made."""
    carried = [
        run.constraints_folder / f"constraints-{python}{variant}.txt"
        for python in run.manifest.pythons
        for variant in ("", "-hashes")
    ]

    def inputs(done: Done) -> Mapping[str, str]:
        paths = [run.manifest.path, run.constraints_folder / "extras.json", *carried]
        # They are data to this tool, so the digest of its code does not hold them.
        payload = {f"payload/{path.name}": digest(path.read_bytes()) for path in certified_wheel.payload_files()}
        return {**payload, **run.file_digests([path for path in paths if path.is_file()])}

    def do(done: Done) -> Made:
        data = {path.name: path.read_bytes() for path in carried}
        wheel = certified_wheel.build(run.manifest, committed.every(), data, run.dist)
        run.only(wheel)
        record = {"file": wheel.filename, "sha256": wheel.sha256, "size": wheel.size}
        return Made(outputs=[wheel.path], record=record, note=wheel.filename)

    return run.step(NAME, inputs, do, needs=["constraints"])
