"""The committed constraints of a release -> known to be those of its manifest and patches."""

from __future__ import annotations

from collections.abc import Mapping

from astronomer_certified.artifacts import METADATA_SOURCES, Manifest
from astronomer_certified.closure import constraints
from astronomer_certified.effects.disk import digest
from astronomer_certified.patches.series import Carried, Patch
from astronomer_certified.project import stated_files
from astronomer_certified.release.run import Run
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Step

from . import fetching


def inputs_digest(manifest: Manifest, carried: Carried) -> str:
    """The digest of all that the constraints of a release are made from, as their files name it.

    Of the patches, those that change what the core requires, and all of repairs: constraints name the sha256 of their
    wheels.
    """

    def decides(name: str, patch: Patch) -> bool:
        metadata = any(path in METADATA_SOURCES or path.endswith(".dist-info/METADATA") for path in patch.touched)
        return name != manifest.core.name or metadata

    patches = {
        f"{item.name}/{patch.name}": digest((item.folder / patch.name).read_bytes())
        for item in manifest.distributions
        for patch in carried.of(item.name)
        if decides(item.name, patch)
    }
    return constraints.inputs_digest(manifest, patches)


def step(run: Run, carried: Carried, committed: constraints.Committed) -> Step:
    """The files of constraints/X.Y.Z/ are there, and made from what the manifest and its patches state now."""
    names = constraints.file_names(run.manifest.pythons)

    def inputs(done: Done) -> Mapping[str, str]:
        return run.file_digests(stated_files.of_release(run.workspace, run.manifest, names))

    def do(done: Done) -> Made:
        constraints.check_current(run.constraints_folder, inputs_digest(run.manifest, carried), names)
        return Made(note=", ".join(f"{len(item.pins)} pins for {item.python}" for item in committed.every()))

    # After the source is verified: a wrong hash in the manifest is the better message than constraints that are
    # stale because of it.
    return run.step("constraints", inputs, do, needs=[fetching.name_of(run.manifest.core)])
