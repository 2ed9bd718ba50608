"""Receipts: what went into a step and what came out, written last and atomically. Same inputs and intact outputs means
up to date; anything else comes with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from astronomer_certified.artifacts import NotDone
from astronomer_certified.effects.disk import digest, sha256_of, write_atomic

# A receipt of another format counts as none: the step is done again.
_FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What doing a step gave: paths, a JSON-able record, what could not be done here, and one line for people."""

    outputs: Sequence[Path] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    not_done: Sequence[NotDone] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A file or folder that a step made. A folder has no sha256; size and mtime say whether to hash a file again."""

    path: Path
    sha256: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Output:
        """The record of what is at `path` now."""
        status = path.stat()
        sha256 = "" if path.is_dir() else sha256_of(path)
        return cls(path=path, sha256=sha256, size=status.st_size, mtime_ns=status.st_mtime_ns)

    def intact(self) -> bool:
        """Whether the same thing is still there. A file that was only touched is hashed, as git does."""
        try:
            status = self.path.stat()
        except OSError:
            return False
        # No file is hashed that has the same size and time, or a run with nothing to do would read every wheel.
        if (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns):
            return True
        return bool(self.sha256) and status.st_size == self.size and sha256_of(self.path) == self.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One step as it was last done."""

    inputs: Mapping[str, str]
    outputs: tuple[Output, ...]
    record: Mapping[str, Any]
    not_done: tuple[NotDone, ...]
    seconds: float

    @property
    def fingerprint(self) -> str:
        """What a later step depends on: the bytes that came out, or what went in where a folder came out."""
        if self.outputs and all(output.sha256 for output in self.outputs):
            return digest(*(f"{output.path.name} {output.sha256}" for output in self.outputs))
        # Also for a step that makes no file, such as the check of the constraints.
        return digest(_plain(self.inputs), _plain(self.record), _plain([asdict(item) for item in self.not_done]))


def read(path: Path) -> Receipt | None:
    """The receipt at `path`; None where there is none or it is not ours (then the step is simply done again)."""
    try:
        values = json.loads(path.read_bytes())
        if values["format"] != _FORMAT:
            return None
        return Receipt(
            inputs=values["inputs"],
            outputs=tuple(
                Output(path=Path(item["path"]), sha256=item["sha256"], size=item["size"], mtime_ns=item["mtime_ns"])
                for item in values["outputs"]
            ),
            record=values["record"],
            not_done=tuple(NotDone(**item) for item in values["not_done"]),
            seconds=values["seconds"],
        )
    # TypeError: the fields of `NotDone` were others when it was written.
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(path: Path, inputs: Mapping[str, str], made: Made, seconds: float) -> Receipt:
    """The receipt of what was made in so many seconds, now at `path`."""
    receipt = Receipt(
        inputs=dict(inputs),
        outputs=tuple(map(Output.of, made.outputs)),
        record=dict(made.record),
        not_done=tuple(made.not_done),
        seconds=round(seconds, 3),
    )
    values = {
        "format": _FORMAT,
        "inputs": receipt.inputs,
        "outputs": [
            {"path": str(item.path), "sha256": item.sha256, "size": item.size, "mtime_ns": item.mtime_ns}
            for item in receipt.outputs
        ],
        "record": receipt.record,
        "not_done": [asdict(item) for item in receipt.not_done],
        "seconds": receipt.seconds,
    }
    write_atomic(path, (json.dumps(values, indent=1, sort_keys=True) + "\n").encode())
    return receipt


def _plain(value: object) -> str:
    # Sorted, as equal records must have equal digests however they were put together.
    return json.dumps(value, sort_keys=True)


def why_stale(receipt: Receipt | None, inputs: Mapping[str, str]) -> str | None:
    """Why the step must be done (again), in words; None when it is up to date."""
    if receipt is None:
        return "not done yet"
    changed = sorted(name for name in inputs.keys() & receipt.inputs.keys() if inputs[name] != receipt.inputs[name])
    added = sorted(inputs.keys() - receipt.inputs.keys())
    removed = sorted(receipt.inputs.keys() - inputs.keys())
    for names, verb in ((changed, "changed"), (added, "is new"), (removed, "is gone")):
        if names:
            rest = len(changed) + len(added) + len(removed) - 1
            return f"{names[0]} {verb}" + (f" (and {rest} more)" if rest else "")
    # What this machine lacked may be there by now.
    if receipt.not_done:
        return "it was not complete"
    for output in receipt.outputs:
        if not output.intact():
            return f"{output.path.name} is missing or was changed"
    return None
