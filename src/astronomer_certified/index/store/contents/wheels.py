"""A wheel -> its METADATA, when it is the wheel that its filename says and RECORD knows all of it. Only reads."""

from __future__ import annotations

import base64
import csv
import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path

from installer.records import InvalidRecordEntry, RecordEntry, parse_record_file
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from astronomer_certified.index.store.validation import ClaimedFile

from . import entry_points
from .fields import parsed
from .members import Paths, Unsound, refuse
from .schemes import check_schemes
from .zips import Member, Zip

# More than any distribution has: 6,000 pins are half a megabyte.
METADATA_BYTES = 8 << 20
_WHEEL_BYTES = 1 << 20
# A line of some 300 bytes for each of `members.MEMBERS`.
_RECORD_BYTES = 32 << 20

# PEP 427: sha256 or better; md5 and sha1 are not permitted.
_STRONG = ("sha256", "sha384", "sha512")

# The Wheel-Version whose wheels can be read here, and by every installer (PEP 427).
_MAJOR = 1


def wheel_metadata(path: Path, claimed: ClaimedFile, *, again: bool) -> bytes:
    """The bytes of a wheel's METADATA. Raises `Unsound` unless it is a whole wheel of the claimed project and version.

    With `again`, its bytes are known to be those that were verified before: RECORD's hashes are not computed anew.
    """
    with path.open("rb") as stream:
        archive = Zip(path, stream)
        members = _members(archive)
        folder = _folder(members, claimed)
        missing = [name for name in ("METADATA", "WHEEL", "RECORD") if f"{folder}/{name}" not in members]
        if missing:
            raise Unsound("it is no whole wheel", details=[f"no {folder}/{name}" for name in missing])
        check_schemes((name for name, member in members.items() if not member.is_folder), folder)
        _check_wheel_file(_read(archive, members[f"{folder}/WHEEL"], _WHEEL_BYTES))
        scripts = f"{folder}/entry_points.txt"
        if scripts in members:
            entry_points.check_entry_points(_read(archive, members[scripts], entry_points.MOST_BYTES), scripts)
        metadata = _read(archive, members[f"{folder}/METADATA"], METADATA_BYTES)
        try:
            metadata.decode("utf-8")
        except UnicodeDecodeError as err:
            raise refuse(f"{folder}/METADATA", "is not UTF-8, which every installer reads it as") from err
        if not again:
            _check_record(archive, folder)
        return metadata


def _members(archive: Zip) -> dict[str, Member]:
    paths = Paths()
    for member in archive.members:
        # pip writes the target of a link into a file, others make the link.
        if member.kind not in (0, stat.S_IFDIR if member.is_folder else stat.S_IFREG):
            raise refuse(member.name, "is a link, a device or another thing than a file or folder")
        if member.is_folder and member.size:
            raise refuse(member.name, "is a folder, and holds bytes")
        paths.add(member.name, folder=member.is_folder)
    paths.close()
    return {member.name: member for member in archive.members}


def _folder(members: dict[str, Member], claimed: ClaimedFile) -> str:
    tops = {name.split("/", 1)[0] for name in members}
    # In any case: on some systems `a.DIST-INFO` is `a.dist-info`.
    folders = sorted(top for top in tops if top.lower().endswith(".dist-info"))
    if len(folders) != 1:
        raise Unsound("it must hold exactly one .dist-info folder", details=folders[:10] or ["it holds none"])
    name, _, version = folders[0].removesuffix(".dist-info").rpartition("-")
    if canonicalize_name(name) != claimed.project or claimed.version not in _meanings(version):
        raise refuse(folders[0], f"is the folder of another distribution than {claimed.project} {claimed.version}")
    return folders[0]


def _meanings(version: str) -> Iterator[Version]:
    # Tools write `_` in a folder's name for `-`, and older ones for `+`, too.
    for spelling in {version, version.replace("_", "-"), version.replace("_", "+", 1)}:
        try:
            yield Version(spelling)
        except InvalidVersion:
            continue


def _read(archive: Zip, member: Member, most: int) -> bytes:
    if member.size > most:
        raise refuse(member.name, f"has more than {most} bytes")
    return b"".join(archive.read(member))


def _check_wheel_file(content: bytes) -> None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as err:
        raise Unsound("its WHEEL is not UTF-8, which every installer reads it as") from err
    # WHEEL is written as METADATA is, with other fields: each of those comes as a list, so one that is there twice is
    # seen.
    _, unknown = parsed(content)
    versions = unknown.get("wheel-version", [])
    try:
        [version] = versions
        major, minor = (int(part) for part in str(version).strip().split("."))
    except ValueError as err:
        raise Unsound("its WHEEL has no Wheel-Version, or several", details=map(ascii, versions[:3])) from err
    # In any case: uv takes `True` for false, but some wheels have it, and most Pythons have one folder for both.
    pure = [str(value).lower() for value in unknown.get("root-is-purelib", ["false"])]
    if pure not in (["true"], ["false"]):
        raise Unsound("its Root-Is-Purelib is neither true nor false", details=map(ascii, pure[:3]))
    # A higher major version must be refused by installers, a higher minor one only warned of (PEP 427).
    if major > _MAJOR:
        raise Unsound(f"its Wheel-Version {major}.{minor} is one that installers do not read: {_MAJOR}.x is")


def _check_record(archive: Zip, folder: str) -> None:
    """Every member is whole, and RECORD lists it with its sha256; what RECORD lists is there."""
    members = {member.name: member for member in archive.members}
    listed = _listed(archive, members[f"{folder}/RECORD"], len(members))
    files = {name for name, member in members.items() if not member.is_folder}
    wrong = [f"lists {name!a}, which is not in the wheel" for name in sorted(listed.keys() - files)]
    # RECORD cannot hold its own hash, and its signatures are made of it (PEP 427).
    unsigned = {f"{folder}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s")}
    for member in archive.members:
        if member.name in unsigned or member.is_folder:
            for _ in archive.read(member):  # reading to the end is what checks the CRC
                pass
        else:
            wrong += _differences(archive, member, listed.get(member.name))
    if wrong:
        raise Unsound("it is not what its RECORD says", details=[f"RECORD {line}" for line in wrong[:10]])


def _listed(archive: Zip, member: Member, members: int) -> dict[str, RecordEntry]:
    if member.size > _RECORD_BYTES:
        raise refuse(member.name, f"has more than {_RECORD_BYTES} bytes")
    listed: dict[str, RecordEntry] = {}
    try:
        for count, (name, digest, size) in enumerate(parse_record_file(_lines(archive, member))):
            # Each member once, and some tools have one or another twice.
            if count > 2 * members:
                raise refuse(member.name, "has more lines than the wheel has members")
            entry = RecordEntry.from_elements(name, digest, size)
            if listed.setdefault(name, entry) != entry:
                raise refuse(member.name, f"says two things of {name[:255]!a}")
    except (InvalidRecordEntry, ValueError, csv.Error) as err:
        raise Unsound("its RECORD is none", details=[str(err)[:300]]) from err
    return listed


def _lines(archive: Zip, member: Member) -> Iterator[str]:
    rest = b""
    for piece in archive.read(member):
        # Bytes, and at \n alone: splitlines() of text also cuts at U+2028, which a path may hold.
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.decode() + "\n"
    if rest:
        yield rest.decode()


def _differences(archive: Zip, member: Member, entry: RecordEntry | None) -> Iterator[str]:
    """What RECORD says wrongly of a member, once that was read: in pieces, and as often as it takes, once."""
    if entry is None:
        yield f"does not list {member.name!a}"
        return
    if entry.hash_ is None or entry.hash_.name not in _STRONG:
        yield f"has no sha256 of {member.name!a}"
        return
    digest = hashlib.new(entry.hash_.name)
    for piece in archive.read(member):
        digest.update(piece)
    # RECORD has no padding (PEP 376). With it, the hash is no other one.
    value = base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")
    # The size may be left out (PEP 376).
    if entry.hash_.value.rstrip("=") != value or entry.size not in (None, member.size):
        yield f"has another hash or size of {member.name!a}"
