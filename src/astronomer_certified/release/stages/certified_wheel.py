"""Manifest + constraints + payload + what is known of the release -> the certified wheel."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from astronomer_certified.advisories import records, status
from astronomer_certified.build import certified_wheel
from astronomer_certified.build.certified_wheel import CarriedPatch, KnownVulnerability
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.effects.disk import digest
from astronomer_certified.patches.series import Carried
from astronomer_certified.release.run import Run
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Step

NAME = "certified wheel"


def step(run: Run, carried: Carried, committed: Committed) -> Step:
    """The certified wheel is made."""
    data = [
        run.constraints_folder / f"constraints-{python}{variant}.txt"
        for python in run.manifest.pythons
        for variant in ("", "-hashes")
    ]

    def inputs(done: Done) -> Mapping[str, str]:
        paths = [run.manifest.path, run.constraints_folder / "extras.json", *data]
        # They are data to this tool, so the digest of its code does not hold them.
        payload = {f"payload/{name}": digest(content) for name, content in certified_wheel.payload().items()}
        # What is told, and not the files that it is taken from: another diff makes another core, and the same of this.
        told = [asdict(patch) for patch in _patches(run, carried)]
        told += [asdict(known) for known in _vulnerabilities(run, carried)]
        files = run.file_digests([path for path in paths if path.is_file()])
        return {**payload, **files, "patches and advisories": digest(json.dumps(told).encode())}

    def do(done: Done) -> Made:
        known = certified_wheel.Carried(
            files={path.name: path.read_bytes() for path in data},
            patches=tuple(_patches(run, carried)),
            vulnerabilities=tuple(_vulnerabilities(run, carried)),
        )
        wheel = certified_wheel.build(run.manifest, committed.every(), known, run.dist)
        run.only(wheel)
        record = {"file": wheel.filename, "sha256": wheel.sha256, "size": wheel.size}
        return Made(outputs=[wheel.path], record=record, note=wheel.filename)

    return run.step(NAME, inputs, do, needs=["constraints"])


def _patches(run: Run, carried: Carried) -> Iterator[CarriedPatch]:
    """The patches of the core, then those of repaired dependencies, each in the order of its series."""
    for item in run.manifest.distributions:
        for patch in carried.of(item.name):
            yield CarriedPatch(
                distribution=str(item.name),
                name=patch.slug,
                subject=patch.subject,
                fixes=patch.cves,
                change=patch.fields.get("Bug", patch.fields.get("Applied-Upstream", "")).strip(),
                proofs=patch.proofs,
                notice=patch.notice,
            )


def _vulnerabilities(run: Run, carried: Carried) -> Iterator[KnownVulnerability]:
    """Every record with what this release says of it, the most important ones first."""
    patches = [patch for item in run.manifest.distributions for patch in carried.of(item.name)]
    for record in records.load(run.workspace):
        said = status.of(record, run.release.upstream, patches, run.manifest.no_longer_fixed)
        yield KnownVulnerability(
            id=record.id,
            aliases=record.aliases,
            summary=record.summary,
            severity=record.severity,
            status=str(said.status),
            reason=said.reason,
            evidence=said.evidence,
        )
