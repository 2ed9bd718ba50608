"""A patch folder that one command at a time changes, as a whole: its lock, and the backup that undoes a killed change.

The backup holds the files as they were, and the digests of what was to take their place: so nothing is undone but what
the killed command did.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from astronomer_certified.artifacts import Distribution
from astronomer_certified.effects import disk
from astronomer_certified.effects.disk import atomic_folder, sha256_of, write_atomic
from astronomer_certified.errors import WorkspaceError
from astronomer_certified.patches import series
from astronomer_certified.workspace import Workspace

_INTENDED = "intended.json"
_LISTED = "series"


@contextlib.contextmanager
def held(workspace: Workspace, distribution: Distribution) -> Iterator[None]:
    """No other command of the workbench changes this patch folder while the block runs; a killed one is undone.

    Says so on stderr when it waits, and when something was undone. Not for who holds it already. Raises
    `WorkspaceError` when the folder was changed since a command was killed: only a human knows what is right then.
    """
    name = distribution.folder.relative_to(workspace.root).as_posix().replace("/", "-")

    def waiting(pid: str) -> None:
        _say(f"waiting for another command that works on {distribution.folder} (process {pid})")

    # Not in the patch folder, which is committed.
    with disk.lock(workspace.build / "locks" / name, waiting):
        disk.sweep(distribution.folder)
        if _backup(distribution.folder).is_dir():
            _restore(distribution.folder)
            _say(f"{distribution.folder}: an export was killed; the series is as it was before it")
        yield


def replace(folder: Path, old: Mapping[str, bytes], new: Mapping[str, bytes]) -> None:
    """The folder holds these patches, in this order, in place of the `old` ones. Only for who holds it.

    Raises OSError when a file cannot be written; then everything is as it was.
    """
    listed = (folder / _LISTED).read_bytes() if (folder / _LISTED).is_file() else b""
    files = {**new, _LISTED: _relisted(listed, new)}
    before = {**old, _LISTED: listed}
    if files == before:
        return
    # First: from here on, a kill is undone by the next command.
    _keep(folder, before, files)
    try:
        for name, content in files.items():
            if before.get(name) != content:
                write_atomic(folder / name, content)
        for name in before.keys() - files.keys():
            (folder / name).unlink()
    except OSError:
        _restore(folder)
        raise
    _drop(folder)


def _backup(folder: Path) -> Path:
    return folder / series.BACKUP


def _say(text: str) -> None:
    print(f"certified: {text}", file=sys.stderr)


def _keep(folder: Path, before: Mapping[str, bytes], files: Mapping[str, bytes]) -> None:
    """The backup is there; it is whole as soon as it is."""
    with atomic_folder(_backup(folder)) as beside:
        for name, content in before.items():
            (beside / name).write_bytes(content)
        intended = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        (beside / _INTENDED).write_text(json.dumps(intended), encoding="utf-8")


def _drop(folder: Path) -> None:
    # Renamed first: half a backup would be taken for a whole one. `sweep` knows the name.
    gone = folder / f"{series.BACKUP}.tmp-gone"
    shutil.rmtree(gone, ignore_errors=True)
    _backup(folder).rename(gone)
    shutil.rmtree(gone)


def _restore(folder: Path) -> None:
    """The folder is as it was before the change that was killed. Raises `WorkspaceError`, and touches nothing."""
    kept = {path.name: path.read_bytes() for path in _backup(folder).iterdir()}
    intended: Mapping[str, str] = json.loads(kept.pop(_INTENDED, b"{}"))
    if foreign := sorted(_foreign(folder, kept, intended)):
        raise WorkspaceError(
            f"{folder}: an export was killed, and these files were changed since",
            details=foreign,
            hint=f"what was there before it is in {_backup(folder)}: put the series right, then remove that folder",
        )
    # The backup goes last, so that a kill in the middle of this is met by doing it again.
    for name, content in kept.items():
        write_atomic(folder / name, content)
    for name in intended.keys() - kept.keys():
        (folder / name).unlink(missing_ok=True)
    _drop(folder)


def _foreign(folder: Path, kept: Mapping[str, bytes], intended: Mapping[str, str]) -> Iterator[str]:
    """The files that are neither as they were nor as they were to become."""
    present = {path.name: sha256_of(path) for path in (*folder.glob("*.patch"), *folder.glob(_LISTED))}
    for name in present.keys() | kept.keys() | intended.keys():
        before = hashlib.sha256(kept[name]).hexdigest() if name in kept else None
        if present.get(name) not in (before, intended.get(name)):
            yield name


def _relisted(listed: bytes, names: Sequence[str] | Mapping[str, bytes]) -> bytes:
    """The `series` file with these names in this order: every line stays as a human wrote it, below its comments.

    The comments of a patch that goes, go with it; not those at the top that an empty line sets apart.
    """
    lines = listed.decode("utf-8").splitlines()
    blocks: dict[str, list[str]] = {}
    block: list[str] = []
    top: list[str] = []
    for line in lines:
        block.append(line)
        name = series.listed_name(line)
        if name is not None:
            blocks[name], block = block, []
        elif not line.strip() and not blocks:
            top, block = [*top, *block], []
    kept = [line for name in names for line in blocks.get(name, [name])]
    return "".join(f"{line}\n" for line in (*top, *kept, *block)).encode()
