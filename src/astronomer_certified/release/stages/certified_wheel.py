"""Manifest + constraints + payload + what is known of the release -> the certified wheel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from astronomer_certified.advisories import told
from astronomer_certified.build import certified_wheel
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.effects.disk import digest
from astronomer_certified.patches.series import Carried
from astronomer_certified.release.run import Run
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Step

NAME = "certified wheel"


def step(run: Run, carried: Carried, committed: Committed) -> Step:
    """The certified wheel is made."""
    data = told.constraints(run.workspace, run.manifest)

    def inputs(done: Done) -> Mapping[str, str]:
        paths = [run.manifest.path, run.constraints_folder / "extras.json", *data]
        # They are data to this tool, so the digest of its code does not hold them.
        payload = {f"payload/{name}": digest(content) for name, content in certified_wheel.payload().items()}
        # What is told, and not the files that it is taken from: another diff makes another core, and the same of this.
        known = [asdict(patch) for patch in told.patches(run.manifest, carried)]
        known += [asdict(item) for item in told.vulnerabilities(run.workspace, run.manifest, carried)]
        files = run.file_digests([path for path in paths if path.is_file()])
        return {**payload, **files, "patches and advisories": digest(json.dumps(known).encode())}

    def do(done: Done) -> Made:
        known = told.of(run.workspace, run.manifest, carried)
        wheel = certified_wheel.build(run.manifest, committed.every(), known, run.dist)
        run.only(wheel)
        record = {"file": wheel.filename, "sha256": wheel.sha256, "size": wheel.size}
        return Made(outputs=[wheel.path], record=record, note=wheel.filename)

    return run.step(NAME, inputs, do, needs=["constraints"])
