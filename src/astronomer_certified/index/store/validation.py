"""Filename and bytes of one wheel or sdist -> what it is, or why it must not enter the index. Only reads."""

from __future__ import annotations

import csv
import gzip
import lzma
import math
import re
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from installer.records import InvalidRecordEntry, RecordEntry, parse_record_file
from packaging.metadata import parse_email
from packaging.specifiers import InvalidSpecifier, SpecifierSet
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

# What the standard library raises for damaged archives; a short read is an EOFError or an OSError.
_UNREADABLE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError,
    # A password, an unknown compression, and numbers or text that no archive has: bytes that were made to hurt.
    RuntimeError, NotImplementedError, ValueError, OverflowError, struct.error,
)  # fmt: skip

_UNPACKED_ALWAYS = 256 << 20
_UNPACKED_RATIO = 200
_MEMBERS = 200_000
# More than any distribution has: 6,000 pins are half a megabyte.
_METADATA_BYTES = 16 << 20

_STRONG = ("sha256", "sha384", "sha512")

_CHUNK = 1 << 20

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")

# What file systems take as one name, of a file or a project, with room for what is written beside it.
_LONGEST = 240

# Combinations of tags that a wheel may be for. No wheel on the public index has more than some dozens.
_TAGS = 500


class Refused(PublishError):
    """A file that the index does not take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedFile:
    """What a filename claims. Two of one `identity` are one file to pip, however they are spelled."""

    filename: str
    project: NormalizedName
    version: Version
    wheel: tuple[BuildTag, frozenset[Tag]] | None
    """Build tag and compatibility tags; None for an sdist."""

    @property
    def identity(self) -> tuple[object, ...]:
        """What two spellings of one file have in common."""
        return self.project, self.version, self.wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a sound file says of itself."""

    metadata: bytes
    requires_python: str | None


def parse(filename: str) -> ClaimedFile:
    """What `filename` claims to be, by the wheel and sdist formats; Refused for anything else."""
    if not _NAME.fullmatch(filename) or len(filename) > _LONGEST:
        raise Refused(
            f"{filename[:_LONGEST]!a} is no distribution's name",
            details=[f"letters, digits, . _ + ! and - alone, no dot first, no more than {_LONGEST} characters"],
        )
    if filename.endswith(".whl") and _combinations(filename) > _TAGS:
        raise Refused(f"{filename} is for more than {_TAGS} combinations of Python, ABI and platform")
    try:
        if filename.endswith(".whl"):
            project, version, build, tags = parse_wheel_filename(filename)
            return ClaimedFile(filename=filename, project=_valid(project), version=version, wheel=(build, tags))
        if filename.endswith(".tar.gz"):
            project, version = parse_sdist_filename(filename)
            return ClaimedFile(filename=filename, project=_valid(project), version=version, wheel=None)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion, InvalidName) as err:
        raise Refused(f"{filename} is no distribution's name", details=[str(err)]) from err
    raise Refused(f"{filename} is neither a wheel (.whl) nor an sdist (.tar.gz)")


def _combinations(filename: str) -> int:
    """How many tags the compressed tag set of a wheel's name stands for (PEP 425): each of three with each."""
    return math.prod(part.count(".") + 1 for part in filename.removesuffix(".whl").split("-")[-3:])


def _valid(project: str) -> NormalizedName:
    """The name, if there can be a project of it; packaging reads file names of others, too."""
    found = project_name(project)
    if found is None:
        raise InvalidName(f"{project!r} is no project's name: letters and digits, with . _ - between them")
    return found


def project_name(text: str) -> NormalizedName | None:
    """The normalized name (PEP 503) that `text` is a spelling of; None when it is none, or longer than any here."""
    if len(text) > _LONGEST:
        return None
    try:
        return canonicalize_name(text, validate=True)
    except InvalidName:
        return None


def verify(path: Path, claimed: ClaimedFile, *, again: bool = False) -> Contents:
    """What `path` says of itself; Refused unless it is a whole archive whose metadata agrees with its filename.

    With `again`, its bytes are known to be those that were verified before: RECORD's hashes are not computed anew.
    """
    try:
        if claimed.wheel is None:
            metadata = _sdist_metadata(path, claimed)
        else:
            metadata = _wheel_metadata(path, claimed, check_record=not again)
    except _UNREADABLE as err:
        raise Refused(
            f"{claimed.filename} is not a sound archive",
            details=[f"{type(err).__name__}: {err}"],
            hint="build the file again",
        ) from err
    raw, _ = parse_email(metadata)
    _compare(raw.get("name", "nothing"), raw.get("version", "nothing"), claimed)
    return Contents(metadata=metadata, requires_python=_requires_python(raw.get("requires_python")))


def _wheel_metadata(path: Path, claimed: ClaimedFile, *, check_record: bool) -> bytes:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        _refuse_bomb(sum(member.file_size for member in archive.infolist()), len(names), path, claimed)
        _refuse_ambiguous(names, claimed)
        _refuse_outside(names, claimed)
        folders = {top for top in map(_top, names) if top.endswith(".dist-info")}
        if len(folders) != 1:
            raise Refused(
                f"{claimed.filename} must hold exactly one .dist-info folder",
                details=sorted(folders) or ["it holds none"],
            )
        folder = folders.pop()
        missing = {f"{folder}/{name}" for name in ("METADATA", "WHEEL", "RECORD")} - set(names)
        if missing:
            raise Refused(f"{claimed.filename} is not a whole wheel", details=[f"no {m}" for m in sorted(missing)])
        if check_record:
            _check_record(archive, folder, claimed)
        if archive.getinfo(f"{folder}/METADATA").file_size > _METADATA_BYTES:
            raise Refused(f"{claimed.filename} has more than {_METADATA_BYTES} bytes of metadata")
        return archive.read(f"{folder}/METADATA")


def _check_record(archive: zipfile.ZipFile, folder: str, claimed: ClaimedFile) -> None:
    """Every member is whole, and RECORD lists it with its sha256; what RECORD lists is there."""
    try:
        with archive.open(f"{folder}/RECORD") as stream:
            entries = parse_record_file(line.decode() for line in stream)
            listed = {path: RecordEntry.from_elements(path, digest, size) for path, digest, size in entries}
    except (InvalidRecordEntry, ValueError, csv.Error) as err:
        raise Refused(f"{claimed.filename} has a RECORD that is none", details=[str(err)]) from err
    members = {name for name in archive.namelist() if not name.endswith("/")}
    wrong = [f"lists {name}, which is not in the wheel" for name in sorted(listed.keys() - members)]
    unsigned = {f"{folder}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s")}
    for name in archive.namelist():
        entry = listed.get(name)
        with archive.open(name) as member:
            if name in unsigned or name.endswith("/"):
                while member.read(_CHUNK):  # reading to the end is what checks the CRC
                    pass
            elif entry is None:
                wrong.append(f"does not list {name}")
            elif entry.hash_ is None or entry.hash_.name not in _STRONG:
                wrong.append(f"has no sha256 of {name}")
            elif not entry.validate_stream(cast(BinaryIO, member)):
                wrong.append(f"has another hash or size of {name}")
    if wrong:
        raise Refused(
            f"{claimed.filename} is not what its RECORD says",
            details=[f"RECORD {line}" for line in wrong[:10]],
            hint="build the wheel again instead of changing it",
        )


def _sdist_metadata(path: Path, claimed: ClaimedFile) -> bytes:
    unpacked = 0
    with gzip.open(path) as stream:
        # tarfile stops at its own end mark, before the CRC and the length of what it read.
        while chunk := stream.read(_CHUNK):
            unpacked += len(chunk)
            _refuse_bomb(unpacked, 0, path, claimed)
    with tarfile.open(path, "r:gz") as archive:
        names = archive.getnames()
        _refuse_bomb(0, len(names), path, claimed)
        _refuse_outside(names, claimed)
        folders = set(map(_top, names))
        if len(folders) != 1:
            raise tarfile.TarError(f"an sdist holds one folder, this one {len(folders)}")
        try:
            member = archive.extractfile(f"{folders.pop()}/PKG-INFO")
        except KeyError as err:
            raise tarfile.TarError("no PKG-INFO in it") from err
        if member is None:
            raise tarfile.TarError("PKG-INFO is not a file")
        return member.read(_METADATA_BYTES)


def _refuse_bomb(unpacked: int, members: int, path: Path, claimed: ClaimedFile) -> None:
    allowed = max(_UNPACKED_ALWAYS, path.stat().st_size * _UNPACKED_RATIO)
    if unpacked > allowed or members > _MEMBERS:
        raise Refused(
            f"{claimed.filename} unpacks to more than an installer should be given",
            details=[f"allowed: {allowed} bytes in {_MEMBERS} members"],
        )


def _refuse_outside(names: Iterable[str], claimed: ClaimedFile) -> None:
    outside = [
        name for name in names if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/")
    ]
    if outside:
        raise Refused(f"{claimed.filename} holds a member outside of its folder", details=map(ascii, outside[:10]))


def _top(name: str) -> str:
    return name.split("/", 1)[0]


def _refuse_ambiguous(names: Iterable[str], claimed: ClaimedFile) -> None:
    # Tools differ in which of two members of one name they unpack, so what was reviewed may not be what runs.
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise Refused(f"{claimed.filename} holds a member more than once", details=twice[:10])


def _compare(name: str, version: str, claimed: ClaimedFile) -> None:
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


def _requires_python(text: str | None) -> str | None:
    """None also for what no installer understands: each would pass over such a file with a warning of its own."""
    try:
        return text if text is None else str(SpecifierSet(text)) and text.strip()
    except InvalidSpecifier:
        return None
