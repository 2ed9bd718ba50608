"""What an export replaces, kept beside the series until the new one is in place. A killed export is undone from it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from astronomer_certified.effects import atomic_folder, write_atomic

NAME = ".before-export"


def make(folder: Path, files: Mapping[str, bytes]) -> None:
    """The backup of a patch folder holds these files; it is whole as soon as it is there."""
    with atomic_folder(folder / NAME) as beside:
        for name, content in files.items():
            (beside / name).write_bytes(content)


def drop(folder: Path) -> None:
    """The backup is not needed any more."""
    # Renamed first: half a backup would be taken for a whole one.
    gone = folder / f"{NAME}.tmp-gone"
    shutil.rmtree(gone, ignore_errors=True)
    (folder / NAME).rename(gone)
    shutil.rmtree(gone)


def left(folder: Path) -> bool:
    """Whether an export of that folder was killed."""
    return (folder / NAME).is_dir()


def restore(folder: Path) -> None:
    """What a killed export had replaced is back; nothing happens where there is no such thing."""
    if not left(folder):
        return
    kept = {path.name: path.read_bytes() for path in (folder / NAME).iterdir()}
    for name, content in kept.items():
        write_atomic(folder / name, content)
    for path in folder.glob("*.patch"):
        if path.name not in kept:
            path.unlink()
    drop(folder)
