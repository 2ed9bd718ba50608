"""The bytes of a zip -> its members, when every reader finds the same ones in it. Only reads.

Some readers start at the end, with the central directory (pip, as does `zipfile`); others read from the start, one
local header after the other (uv, while it downloads). A zip may tell each something else, and has had room for more:
before, between and after what either looks at. So here every byte is accounted for (APPNOTE.TXT 6.3.10, section 4.3).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .members import Unsound, refuse, refuse_bomb, refuse_crowd

_CHUNK = 1 << 18

# 4.3.16, 4.3.14, 4.3.15, 4.3.12 and 4.3.7, in this order.
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")

_END_MARK, _END64_MARK, _LOCATOR_MARK = b"PK\5\6", b"PK\6\6", b"PK\6\7"
_CENTRAL_MARK, _LOCAL_MARK, _DESCRIPTOR_MARK = b"PK\1\2", b"PK\3\4", b"PK\7\x08"

_DESCRIPTORS = [struct.Struct(form) for form in ("<4sL2L", "<4sL2Q", "<L2L", "<L2Q")]
_LONGEST_DESCRIPTOR = 24

# Bits of the flags (4.4.4): encrypted, sizes behind the data, patch data, strong encryption, UTF-8, masked headers.
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_DESCRIPTOR = 0x0008
_PATCHED = 0x0020
_UTF8 = 0x0800

_STORED, _DEFLATED = 0, 8

# Extra fields: sizes of 64 bits (4.5.3), and another name for the member (4.6.9).
_ZIP64, _OTHER_NAME = 0x0001, 0x7075
_SMALL, _LARGE = 0xFFFF, 0xFFFFFFFF

# The central directory of as many members as are allowed, with names of a usual length.
_DIRECTORY = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry of the central directory."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    """Where its local header begins."""
    kind: int
    """The type of file that Unix would make of it, as in `stat.S_IFMT`; 0 when it does not say."""

    @property
    def is_folder(self) -> bool:
        """Whether it stands for a folder, and holds nothing."""
        return self.name.endswith("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """Where the central directory is, and how many members it has."""

    members: int
    start: int
    stop: int


class Zip:
    """A zip whose structure was found sound; what its members hold is looked at as they are read."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        """Raises `Unsound` for every structure that some reader refuses or reads otherwise."""
        self._stream = stream
        size = path.stat().st_size
        end = _end(stream, size)
        self.members = _directory(stream, end)
        # By what the headers say: nothing is unpacked for it, since `read` holds each member to its size.
        refuse_bomb(sum(member.size for member in self.members), size)
        self._data = _local_headers(stream, self.members, end.start)

    def read(self, member: Member) -> Iterator[bytes]:
        """What the member holds, piece by piece. Raises `Unsound` when that is not of its size and CRC."""
        crc, size = 0, 0
        for piece in self._unpacked(member):
            crc = zlib.crc32(piece, crc)
            size += len(piece)
            if size > member.size:
                break
            yield piece
        if size != member.size:
            raise refuse(member.name, "unpacks to another size than its headers say")
        if crc != member.crc:
            raise refuse(member.name, "has another CRC than its headers say: it was damaged")

    def _unpacked(self, member: Member) -> Iterator[bytes]:
        self._stream.seek(self._data[member.offset])
        left = member.packed
        if not left and not member.size:
            return  # also where a tool said `deflated` of nothing
        deflate = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == _DEFLATED else None
        while left:
            piece = self._stream.read(min(_CHUNK, left))
            if not piece:
                raise Unsound("the file ends too early")
            left -= len(piece)
            if deflate is None:
                yield piece
                continue
            while piece:
                # In bounds: a piece may unpack to a thousand times its size.
                yield deflate.decompress(piece, _CHUNK)
                piece = deflate.unconsumed_tail
            if deflate.unused_data:
                break
        if deflate is not None:
            yield deflate.flush()
            # `zipfile` stops at the size that a header gives; who streams goes on to the end of the data.
            if not deflate.eof or deflate.unused_data or left:
                raise refuse(member.name, "has packed data that end elsewhere than its headers say")


def _exactly(stream: BinaryIO, offset: int, size: int) -> bytes:
    stream.seek(offset)
    content = stream.read(size)
    if len(content) != size:
        raise Unsound("the file ends too early")
    return content


def _end(stream: BinaryIO, size: int) -> _End:
    """The end record, which must be the end of the file (4.3.16)."""
    tail_at = max(0, size - _END.size - _SMALL)
    tail = _exactly(stream, tail_at, size - tail_at)
    # From behind, as readers do; a comment may hold no second one, or they would differ in which they find.
    at = tail.rfind(_END_MARK)
    if at < 0 or len(tail) - at < _END.size:
        raise Unsound("it is no zip, or only the beginning of one")
    _, disk, first_disk, here, members, length, start, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise Unsound("it has bytes after its end, or a comment that is no text of its own")
    if b"PK" in tail[at + _END.size :]:
        raise Unsound("it has a comment with parts of a zip in it")
    if disk or first_disk or here != members:
        raise Unsound("it is one part of several")
    position = tail_at + at
    if position >= _LOCATOR.size + _END64.size:
        locator = _exactly(stream, position - _LOCATOR.size, _LOCATOR.size)
        if locator.startswith(_LOCATOR_MARK):
            return _end64(stream, position - _LOCATOR.size, (members, length, start))
    return _checked(members, start, length, position)


def _end64(stream: BinaryIO, position: int, small: tuple[int, int, int]) -> _End:
    """The end record with 64 bits, right before its locator (4.3.14). `small` is what the other one says."""
    _, disk, where, disks = _LOCATOR.unpack(_exactly(stream, position, _LOCATOR.size))
    if where != position - _END64.size or disk or disks > 1:
        raise Unsound("its zip64 end record is not where readers look for it")
    fields = _END64.unpack(_exactly(stream, where, _END64.size))
    mark, own_size, *_, disk, first_disk, here, members, length, start = fields
    # Without its first twelve bytes; more of them would be extensions that readers do not agree about (4.3.14.1).
    if mark != _END64_MARK or own_size != _END64.size - 12 or disk or first_disk or here != members:
        raise Unsound("its zip64 end record is none")
    for said, large, none in zip(small, (members, length, start), (_SMALL, _LARGE, _LARGE), strict=True):
        if said not in (none, large):
            raise Unsound("its two end records differ")
    return _checked(members, start, length, where)


def _checked(members: int, start: int, length: int, position: int) -> _End:
    refuse_crowd(members)
    if length > _DIRECTORY:
        raise Unsound(f"it has a directory of more than {_DIRECTORY} bytes")
    # `zipfile` would take the difference for a program before the zip, and move all offsets by it.
    if start + length != position:
        raise Unsound("it has bytes before its first member or around its directory, or is only a part of a zip")
    return _End(members=members, start=start, stop=position)


def _directory(stream: BinaryIO, end: _End) -> tuple[Member, ...]:
    raw = _exactly(stream, end.start, end.stop - end.start)
    at, found = 0, []
    for _ in range(end.members):
        if len(raw) - at < _CENTRAL.size or raw[at : at + 4] != _CENTRAL_MARK:
            raise Unsound("its directory is damaged")
        fields = _CENTRAL.unpack_from(raw, at)
        name_at = at + _CENTRAL.size
        extra_at = name_at + fields[12]
        at = extra_at + fields[13] + fields[14]
        if at > len(raw):
            raise Unsound("its directory is damaged")
        found.append(_member(fields, raw[name_at:extra_at], raw[extra_at : extra_at + fields[13]]))
    if at != len(raw):
        raise Unsound("its directory has more members than its end record says")
    return tuple(found)


def _member(fields: tuple[int, ...], raw_name: bytes, extra: bytes) -> Member:
    flags, method, crc, packed, size = fields[5], fields[6], fields[9], fields[10], fields[11]
    name = _name(raw_name, flags)
    if flags & _ENCRYPTED:
        raise refuse(name, "is encrypted")
    if flags & _PATCHED or method not in (_STORED, _DEFLATED):
        raise refuse(name, f"is packed by method {method}: wheels are stored or deflated, which all installers read")
    size, packed, offset = _large(name, extra, (size, packed, fields[18]))
    if fields[15] not in (0, _SMALL):
        raise refuse(name, "is in another part of the zip")
    if method == _STORED and size != packed:
        raise refuse(name, "is stored, and has two sizes")
    return Member(
        name=name, raw_name=raw_name, flags=flags, method=method, crc=crc, packed=packed, size=size, offset=offset,
        kind=fields[17] >> 16 & 0o170000,
    )  # fmt: skip


def _name(raw: bytes, flags: int) -> str:
    if raw.isascii():
        return raw.decode("ascii")
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as err:
        raise refuse(raw.decode("latin-1"), "is a name that is not UTF-8") from err
    # Without this flag a name is in code page 437 (appendix D), and yet many tools write UTF-8.
    if not flags & _UTF8:
        raise refuse(name, "is a name in no stated encoding: readers differ in what they make of it")
    return name


def _large(name: str, extra: bytes, small: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes (and offset) of a header, those of 64 bits where it says so; each extra field is looked at."""
    found: bytes | None = None
    at = 0
    while at + 4 <= len(extra):
        number, length = struct.unpack_from("<HH", extra, at)
        if at + 4 + length > len(extra):
            break  # as `zipfile` before Python 3.12 does with what is no field: some tools pad with noughts
        if number == _OTHER_NAME:
            raise refuse(name, "has a second name in an extra field")
        if number == _ZIP64:
            if found is not None:
                raise refuse(name, "has sizes of 64 bits twice")
            found = extra[at + 4 : at + 4 + length]
        at += 4 + length
    numbers = list(small)
    position = 0
    for index, number in enumerate(small):
        if number == _LARGE:
            if found is None or len(found) < position + 8:
                raise refuse(name, "lacks a size of 64 bits")
            numbers[index] = int.from_bytes(found[position : position + 8], "little")
            position += 8
    rest = found[position:] if found else b""
    # Some tools repeat there what fits into the header: that is harmless while it is the same.
    if any(int.from_bytes(rest[at : at + 8], "little") not in (0, *numbers) for at in range(0, len(rest), 8)):
        raise refuse(name, "has sizes of 64 bits that its header does not ask for: readers differ in which they take")
    return tuple(numbers)


def _local_headers(stream: BinaryIO, members: tuple[Member, ...], stop: int) -> dict[int, int]:
    """Where the data of the member at each offset begin: one behind the other, without a gap, as the directory says."""
    at = 0
    data: dict[int, int] = {}
    for member in sorted(members, key=lambda member: member.offset):
        if member.offset > at:
            raise refuse(member.name, "comes after bytes that belong to no member: some readers see what they hold")
        if member.offset < at:
            raise refuse(member.name, "begins within another member")
        data[member.offset] = _local_header(stream, member)
        at = data[member.offset] + member.packed
        if member.flags & _DESCRIPTOR:
            at += _descriptor(stream, member, at)
        if at > stop:
            raise refuse(member.name, "reaches into the directory")
    if at != stop:
        raise Unsound("it has bytes that belong to no member, before its directory: some readers see what they hold")
    return data


def _local_header(stream: BinaryIO, member: Member) -> int:
    """Where the member's data begin."""
    fields = _LOCAL.unpack(_exactly(stream, member.offset, _LOCAL.size))
    flags, method, crc, packed, size, name_length, extra_length = (*fields[3:5], *fields[7:])
    if fields[0] != _LOCAL_MARK:
        raise refuse(member.name, "has no header of its own where the directory says")
    rest = _exactly(stream, member.offset + _LOCAL.size, name_length + extra_length)
    if rest[:name_length] != member.raw_name:
        raise refuse(member.name, f"is called {rest[:name_length].decode('latin-1')[:255]!a} in its own header")
    size, packed = _large(member.name, rest[name_length:], (size, packed))
    # The other bits are hints, such as how hard the packer tried (4.4.4).
    telling = _ENCRYPTED | _DESCRIPTOR | _PATCHED | _UTF8
    if method != member.method or (flags ^ member.flags) & telling:
        raise refuse(member.name, "has other flags or another method in its own header than in the directory")
    # When they stand behind the data, the header has noughts, or has them all the same.
    told = (crc, packed, size) == (member.crc, member.packed, member.size)
    if not told and not (flags & _DESCRIPTOR and (crc, packed, size) == (0, 0, 0)):
        raise refuse(member.name, "has another CRC or size in its own header than in the directory")
    return member.offset + _LOCAL.size + len(rest)


def _descriptor(stream: BinaryIO, member: Member, at: int) -> int:
    """How long the member's data descriptor is (4.3.9): with or without a mark, its sizes of 32 or of 64 bits."""
    stream.seek(at)
    raw = stream.read(_LONGEST_DESCRIPTOR + 2)
    for form in _DESCRIPTORS:
        if len(raw) < form.size + 2 or raw[form.size : form.size + 2] != b"PK":
            continue  # the next header does not begin behind it
        *mark, crc, packed, size = form.unpack_from(raw)
        if mark in ([], [_DESCRIPTOR_MARK]) and (crc, packed, size) == (member.crc, member.packed, member.size):
            return form.size
    raise refuse(member.name, "has another CRC or size behind its data than in the directory")
