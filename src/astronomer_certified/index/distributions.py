"""Filename and bytes of one wheel or sdist -> what it is, or why it must not enter the index. Only reads."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.metadata import parse_email
from packaging.tags import Tag
from packaging.utils import (
    BuildTag,
    InvalidName,
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from astronomer_certified.errors import PublishError

_UNREADABLE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError)
"""What the standard library raises for damaged archives; a short read is an EOFError or an OSError."""

_CHUNK = 1 << 20

_LONGEST = 255
"""What file systems take as one name."""


class Refused(PublishError):
    """A file that the index does not take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What a filename claims. Two of one `identity` are one file to pip, however they are spelled."""

    filename: str
    project: NormalizedName
    version: Version
    wheel: tuple[BuildTag, frozenset[Tag]] | None
    """Build tag and compatibility tags; None for an sdist."""

    @property
    def identity(self) -> tuple[object, ...]:
        return self.project, self.version, self.wheel


def parse(filename: str) -> Distribution:
    """What `filename` claims to be, by the wheel and sdist formats; Refused for anything else."""
    if filename.startswith(".") or Path(filename).name != filename or len(filename) > _LONGEST:
        raise Refused(
            f"{filename} is no distribution's name",
            details=[f"it must not start with a dot, name a folder or be longer than {_LONGEST} characters"],
        )
    try:
        if filename.endswith(".whl"):
            project, version, build, tags = parse_wheel_filename(filename)
            return Distribution(filename=filename, project=project, version=version, wheel=(build, tags))
        if filename.endswith(".tar.gz"):
            project, version = parse_sdist_filename(filename)
            return Distribution(filename=filename, project=project, version=version, wheel=None)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion) as err:
        raise Refused(f"{filename} is no distribution's name", details=[str(err)]) from err
    raise Refused(f"{filename} is neither a wheel (.whl) nor an sdist (.tar.gz)")


def verify(path: Path, claimed: Distribution) -> None:
    """Nothing; Refused unless `path` is a whole archive whose own metadata agrees with its filename."""
    try:
        metadata = _sdist_metadata(path) if claimed.wheel is None else _wheel_metadata(path, claimed)
    except _UNREADABLE as err:
        raise Refused(
            f"{claimed.filename} is not a sound archive",
            details=[f"{type(err).__name__}: {err}"],
            hint="build the file again",
        ) from err
    _compare(metadata, claimed)


def _wheel_metadata(path: Path, claimed: Distribution) -> bytes:
    with zipfile.ZipFile(path) as archive:
        _refuse_ambiguous(archive.namelist(), claimed)
        broken = archive.testzip()
        if broken is not None:
            raise zipfile.BadZipFile(f"bad CRC-32 for {broken}")
        folders = {top for top in map(_top, archive.namelist()) if top.endswith(".dist-info")}
        if len(folders) != 1:
            raise Refused(
                f"{claimed.filename} must hold exactly one .dist-info folder",
                details=sorted(folders) or ["it holds none"],
            )
        folder = folders.pop()
        missing = {f"{folder}/{name}" for name in ("METADATA", "WHEEL", "RECORD")} - set(archive.namelist())
        if missing:
            raise Refused(f"{claimed.filename} is not a whole wheel", details=[f"no {m}" for m in sorted(missing)])
        return archive.read(f"{folder}/METADATA")


def _sdist_metadata(path: Path) -> bytes:
    with gzip.open(path) as stream:
        # tarfile stops at its own end mark, before the CRC and the length of what it read.
        while stream.read(_CHUNK):
            pass
    with tarfile.open(path, "r:gz") as archive:
        folders = {_top(member.name) for member in archive.getmembers()}
        if len(folders) != 1:
            raise tarfile.TarError(f"an sdist holds one folder, this one {len(folders)}")
        try:
            member = archive.extractfile(f"{folders.pop()}/PKG-INFO")
        except KeyError as err:
            raise tarfile.TarError("no PKG-INFO in it") from err
        if member is None:
            raise tarfile.TarError("PKG-INFO is not a file")
        return member.read()


def _top(name: str) -> str:
    return name.split("/", 1)[0]


def _refuse_ambiguous(names: Iterable[str], claimed: Distribution) -> None:
    # Tools differ in which of two members of one name they unpack, so what was reviewed may not be what runs.
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise Refused(f"{claimed.filename} holds a member more than once", details=twice[:10])


def _compare(metadata: bytes, claimed: Distribution) -> None:
    raw, _ = parse_email(metadata)
    name, version = raw.get("name", "nothing"), raw.get("version", "nothing")
    try:
        agree = canonicalize_name(name) == claimed.project and Version(version) == claimed.version
    except (InvalidName, InvalidVersion):
        agree = False
    if not agree:
        raise Refused(
            f"{claimed.filename} holds the metadata of another distribution",
            details=[
                f"filename: {claimed.project} {claimed.version}",
                f"metadata: {name} {version}",
            ],
            hint="build the file again instead of renaming it",
        )
