"""Pinned source and upstream wheel of a distribution -> both on disk, verified."""

from __future__ import annotations

from collections.abc import Mapping

from astronomer_certified.artifacts import Distribution
from astronomer_certified.release.run import Run
from astronomer_certified.source import fetch
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Shown, Step


def name_of(item: Distribution) -> str:
    """The name of the step that fetches a distribution."""
    return f"fetch {item.name}"


def step(run: Run, item: Distribution) -> Step:
    """The files of a distribution are in the cache."""
    # A published wheel that is the source is also upstream's wheel: one file.
    files = tuple(dict.fromkeys((item.source, item.upstream_wheel)))

    def inputs(done: Done) -> Mapping[str, str]:
        return {pinned.filename: pinned.sha256 for pinned in files}

    def do(done: Done) -> Made:
        fetched = [fetch.fetch(pinned, run.workspace) for pinned in files]
        return Made(outputs=[file.path for file in fetched], note=", ".join(file.path.name for file in fetched))

    return run.step(name_of(item), inputs, do, shown=Shown(stage=name_of(item), minor=True))
