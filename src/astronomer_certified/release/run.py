"""One run of the tool on one release: where it works, what of, how much at once, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from astronomer_certified.artifacts import Distribution, Manifest, NotDone, Wheel
from astronomer_certified.effects import disk
from astronomer_certified.formats.wheel_files import wheel_at
from astronomer_certified.steps import code
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Shown, Step, Watcher
from astronomer_certified.workspace import Workspace

if TYPE_CHECKING:
    from astronomer_certified.effects.cluster import Cluster

Inputs = Callable[[Done], Mapping[str, str]]
Do = Callable[[Done], Made]


class Run:
    """What the stages of one run share. `jobs` is how many things they may do at once.

    `cluster` has other machines for what can be done there, which find the index at `cluster_index`; where that is
    None, at an address of this machine alone.
    """

    def __init__(self, workspace: Workspace, stated: Manifest, jobs: int, watcher: Watcher) -> None:
        self.cluster: Cluster | None = None
        self.cluster_index: str | None = None
        self.workspace = workspace
        self.manifest = stated
        self.jobs = jobs
        self.watcher = watcher
        self.release = stated.release
        self.constraints_folder = workspace.constraints(stated.release.upstream)
        self.dist = workspace.release_dist(stated.release)
        self.logs = workspace.logs(stated.release)

    def step(self, name: str, inputs: Inputs, do: Do, needs: Sequence[str] = (), shown: Shown | None = None) -> Step:
        """The step that `do` carries out; it is stale when the code of the module of `do` changed, at any depth.

        `shown` is its place in the table of several releases, by default a column of its name.
        """

        def whole(done: Done) -> Mapping[str, str]:
            # Receipts name their outputs by absolute path: those of a copied project vouch for the original's files.
            here = {"project folder": str(self.workspace.root), "tool": code.digest_of(do.__module__)}
            # Asked when the step is looked at, not when it is planned: by then the steps before it have written what it
            # reads.
            return {**here, **inputs(done)}

        return Step(
            name=name,
            shown=shown or Shown(stage=name),
            needs=tuple(needs),
            inputs=whole,
            do=do,
            receipt=self.workspace.receipt(self.release, name),
        )

    def file_digests(self, paths: Sequence[Path]) -> dict[str, str]:
        """The sha256 of files of the project by their path in it, as certificates show them."""
        return {path.relative_to(self.workspace.root).as_posix(): disk.sha256_of(path) for path in paths}

    def only(self, wheel: Wheel) -> None:
        """Wheels of another revision of the same project are not products of this release any more."""
        for old in self.dist.glob(f"{wheel.filename.split('-')[0]}-*.whl"):
            if old != wheel.path:
                old.unlink()


def missing(done: Done) -> tuple[NotDone, ...]:
    """What the steps could not do here, each once: a wheel that the proofs need, too, is lacking in two folders."""
    return tuple(dict.fromkeys(item for receipt in done.values() for item in receipt.not_done))


def wheel_step_of(item: Distribution) -> str:
    """The name of the step that makes the wheel of a patched distribution."""
    return f"wheel {item.name}"


def made_wheel(done: Done, item: Distribution) -> Wheel:
    """The wheel of a patched distribution, from the receipt of its step."""
    [output] = done[wheel_step_of(item)].outputs
    return wheel_at(output.path)
