"""Wheel files (PEP 427): read whole, written reproducibly. `wheel` makes the RECORD."""

from __future__ import annotations

import contextlib
import time
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from astronomer_certified.artifacts import Wheel
from astronomer_certified.effects.disk import put, scratch_folder, sha256_of
from astronomer_certified.errors import ArchiveError

# 1980-01-01, the first day that a zip can hold.
_ZIP_EPOCH = 315532800


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a wheel."""

    content: bytes
    executable: bool = False


def read(path: Path) -> dict[str, Member]:
    """The files of a wheel by path, RECORD left out. Raises `ArchiveError` for what is not a sound zip."""
    try:
        with zipfile.ZipFile(path) as zipped:
            return {
                info.filename: Member(content=zipped.read(info), executable=bool(info.external_attr >> 16 & 0o100))
                for info in zipped.infolist()
                # It is made anew whenever a wheel is written, and names the digest of every byte that changed.
                if not info.is_dir() and not info.filename.endswith(".dist-info/RECORD")
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as err:
        raise ArchiveError(f"{path.name}: not a sound wheel", details=[str(err)]) from err


def dist_info(members: Mapping[str, Member]) -> str:
    """The name of the one .dist-info folder. Raises `ArchiveError`."""
    folders = {name.split("/")[0] for name in members if name.split("/")[0].endswith(".dist-info")}
    if len(folders) != 1:
        raise ArchiveError(f"a wheel has one .dist-info folder, not {len(folders)}", details=sorted(folders))
    return folders.pop()


def write(target: Path, members: Mapping[str, Member], epoch: int) -> Wheel:
    """A wheel at `target` whose bytes depend on the members and `epoch` (seconds since 1970) alone."""
    # .dist-info comes last, as PEP 427 recommends: readers find it by the end of the file.
    order = sorted(members, key=lambda name: (name.split("/")[0].endswith(".dist-info"), name))
    with scratch_folder(target.parent, target.name) as scratch:
        beside = scratch / target.name  # WheelFile takes name and version from the file name
        with _dated_wheel(beside, epoch) as wheel:
            for name in order:
                wheel.writestr(_entry(name, epoch, executable=members[name].executable), members[name].content)
        return place(beside, target)


def readable(wheel: Wheel, folder: Path) -> Wheel:
    """The wheel, or a copy in `folder` without the requirements that PEP 508 cannot read.

    Installers of today refuse a wheel with one such requirement, even when they are not to look at requirements.
    """
    members = read(wheel.path)
    path = f"{dist_info(members)}/METADATA"
    lines = members[path].content.splitlines(keepends=True)
    kept = [line for line in lines if _is_readable(line)]
    if kept == lines:
        return wheel
    folder.mkdir(parents=True, exist_ok=True)
    # Any date will do: this copy goes into an environment, and into no index.
    return write(folder / wheel.filename, {**members, path: Member(content=b"".join(kept))}, _ZIP_EPOCH)


def _is_readable(line: bytes) -> bool:
    if not line.startswith(b"Requires-Dist:"):
        return True
    try:
        Requirement(line.decode().partition(":")[2].strip())
    # InvalidRequirement and UnicodeDecodeError are ValueErrors, too.
    except ValueError:
        return False
    return True


def _entry(name: str, epoch: int, *, executable: bool) -> zipfile.ZipInfo:
    # Neither the time zone nor the umask of whoever builds may reach the bytes.
    entry = zipfile.ZipInfo(name, date_time=time.gmtime(epoch)[:6])
    entry.external_attr = (0o100755 if executable else 0o100644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _dated_wheel(path: Path, epoch: int) -> zipfile.ZipFile:
    """A `wheel` WheelFile open for writing; its RECORD gets our date, not that of the clock."""
    from wheel.wheelfile import WheelFile  # here: a run that has nothing to do needs no zip writer

    class Dated(WheelFile):  # type: ignore[misc]
        def writestr(self, entry: zipfile.ZipInfo | str, data: bytes | str) -> None:
            super().writestr(_entry(entry, epoch, executable=False) if isinstance(entry, str) else entry, data)

        def __del__(self) -> None:
            # After a full disk it tries to end the file once more, and Python prints a traceback that nobody needs.
            with contextlib.suppress(OSError):
                super().__del__()

    return Dated(path, "w", compression=zipfile.ZIP_DEFLATED)


def place(made: Path, target: Path) -> Wheel:
    """The wheel `made`, moved to `target` in one step. Both must be on one file system."""
    put(made, target)
    return wheel_at(target)


def wheel_at(path: Path) -> Wheel:
    """The record of a wheel file that is there."""
    return Wheel(path=path, sha256=sha256_of(path), size=path.stat().st_size)
