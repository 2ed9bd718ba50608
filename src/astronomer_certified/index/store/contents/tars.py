"""The bytes of a .tar.gz -> its members, when every reader finds the same ones in it. Only reads.

The headers are looked at before `tarfile` gets them: it reads a pax header of any size at once, and takes a time that
grows with the square of it. What readers differ in is refused: a size that is stated twice (CVE-2025-62518), data
behind what has none, a second gzip stream, bytes behind the end.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .members import Unsound, refuse_bomb, refuse_crowd

_BLOCK = 512
_CHUNK = 1 << 18

# Of headers that say more of the next member: two paths of the longest kind, and times.
_EXTENSION = 64 << 10

_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_EMPTY = (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE)
_LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_PAX, _GLOBAL = tarfile.XHDTYPE, tarfile.XGLTYPE

_KINDS = {
    tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a file with holes",
}  # fmt: skip

# A record of a pax header: its own length, a key, a value. Of several that are one to some readers.
# Six digits hold any length within `_EXTENSION`; of thousands, int() takes long or refuses them.
_PAX_LENGTH = re.compile(rb"([1-9][0-9]{0,5}) ")
_TELLING = ("path", "linkpath", "size")

# What uv refuses otherwise, and tarfile passes over: seconds and owners as POSIX writes them, in 63 bits.
_VALUES = {
    **dict.fromkeys(("mtime", "atime", "ctime"), re.compile(rb"[0-9]{1,18}(\.[0-9]+)?")),
    **dict.fromkeys(("uid", "gid"), re.compile(rb"[0-9]{1,18}")),
}
_TEXTS = ("path", "linkpath", "uname", "gname")


# Not the standard gzip, which goes on with a second stream (RFC 1952, 2.2), where other readers stop.
class _Gunzip:
    """What a gzip file unpacks to: one stream, its CRC and length right, and nothing but noughts behind it."""

    def __init__(self, stream: BinaryIO, packed: int) -> None:
        self._stream = stream
        self._packed = packed
        self._unpacked = 0
        # 16: zlib reads the head of gzip, and compares the CRC and the length at its end.
        self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._input = b""
        self._ready = bytearray()

    def exactly(self, size: int) -> bytes:
        content = self.some(size)
        if len(content) != size:
            raise Unsound("the file ends too early")
        return content

    def some(self, size: int) -> bytes:
        """As many bytes as that, or fewer at the end."""
        while len(self._ready) < size and self._fill():
            pass
        content = bytes(self._ready[:size])
        del self._ready[:size]
        return content

    def skip(self, size: int) -> None:
        while size:
            size -= len(self.exactly(min(size, _CHUNK)))

    def _fill(self) -> bool:
        if self._zlib.eof:
            return False
        self._input = self._input or self._stream.read(_CHUNK)
        if not self._input:
            raise Unsound("the file ends too early")
        try:
            # In bounds, so that a bomb is counted before it is in memory.
            piece = self._zlib.decompress(self._input, _CHUNK)
        except zlib.error as err:
            raise Unsound("it is no .tar.gz, or a damaged one", details=[str(err)]) from err
        self._input = self._zlib.unconsumed_tail
        self._unpacked += len(piece)
        refuse_bomb(self._unpacked, self._packed)
        self._ready += piece
        if self._zlib.eof:
            self._refuse_more(self._zlib.unused_data)
        return True

    def _refuse_more(self, rest: bytes) -> None:
        while rest:
            # Noughts fill up the blocks of a tape: gzip(1) and Python pass over them, so they tell nobody anything.
            if rest.strip(b"\0"):
                raise Unsound("it has bytes behind its gzip stream: some readers go on there, others do not")
            rest = self._stream.read(_CHUNK)


@dataclass(slots=True)
class _Next:
    """What extension headers said of the member that follows; None while there is none."""

    size: int | None = None
    kinds: frozenset[bytes] = frozenset()


def check_structure(path: Path) -> int:
    """How many members a .tar.gz has. Raises `Unsound` for what some reader refuses or reads otherwise."""
    members = 0
    following = _Next()
    with path.open("rb") as file:
        stream = _Gunzip(file, path.stat().st_size)
        for count, header in enumerate(_headers(stream), 1):
            refuse_crowd(count // 4)  # with an extension of each kind before each
            if header.type in (_PAX, _GLOBAL, *_LONG):
                following = _extension(stream, header, following)
                continue
            members += 1
            refuse_crowd(members)
            _check_member(header, following)
            following = _Next()
            # Of the header: a pax header that says another size was refused a line before.
            stream.skip(_padded(header.size))
    if following.kinds:
        raise Unsound("it ends with a header that speaks of a next member")
    return members


def _headers(stream: _Gunzip) -> Iterator[tarfile.TarInfo]:
    while True:
        block = stream.exactly(_BLOCK)
        if not block.strip(b"\0"):
            break
        try:
            # Names are compared later, as tarfile has them with all that extensions say.
            yield tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as err:
            raise Unsound("it has a header that is none", details=[str(err)]) from err
    # One block of noughts ends it for some, two for others; so there is nothing behind the first.
    while rest := stream.some(_CHUNK):
        if rest.strip(b"\0"):
            raise Unsound("it has bytes behind its end: some readers go on there, others do not")


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _extension(stream: _Gunzip, header: tarfile.TarInfo, before: _Next) -> _Next:
    if not 0 <= header.size <= _EXTENSION:
        raise Unsound(f"it has a header with more than the {_EXTENSION} bytes that one may have")
    if header.type in before.kinds:
        raise Unsound("it has two headers of one kind for one member: readers differ in which they believe")
    content = stream.exactly(_padded(header.size))[: header.size]
    if header.type == _GLOBAL:
        # git archive writes such a header, with the commit as its comment: that is harmless.
        if any(key in _TELLING or key.startswith("GNU.sparse") for key, _ in _pax_records(content)):
            raise Unsound("it has a header that gives all members one path or size")
        return before
    size = before.size
    if header.type == _PAX:
        for key, value in _pax_records(content):
            if key.startswith("GNU.sparse"):
                raise Unsound("it has a file with holes, which readers unpack to different things")
            if key == "size":
                size = _pax_size(value)
    return _Next(size=size, kinds=before.kinds | {header.type})


def _pax_size(value: bytes) -> int:
    # 2**64 has 20 digits.
    if not value.isdigit() or len(value) > 20:
        raise Unsound("it has a pax header with a size that is none")
    return int(value)


def _pax_records(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The keys and values of a pax header, each at most once. Raises `Unsound` for what is no record."""
    seen = set()
    at = 0
    while at < len(content):
        length = _PAX_LENGTH.match(content, at)
        # By its length, and not to the end of the line: a value may hold line breaks (POSIX, pax).
        end = at + int(length[1]) if length else 0
        record = content[length.end() : end] if length and length.end() < end <= len(content) else b""
        key, equals, value = record.removesuffix(b"\n").partition(b"=")
        if not key or not equals or not record.endswith(b"\n"):
            raise Unsound("it has a pax header that is none")
        if key in seen:
            raise Unsound(f"it has a pax header that says two things of {key.decode('latin-1')[:100]!a}")
        seen.add(key)
        _check_pax_value(key.decode("latin-1"), value)
        yield key.decode("latin-1"), value
        at = end


def _check_pax_value(key: str, value: bytes) -> None:
    sound = _VALUES[key].fullmatch(value) is not None if key in _VALUES else True
    if key in _TEXTS:
        try:
            value.decode("utf-8")
        except UnicodeDecodeError:
            sound = False
    # And one that says that the others are in another encoding, which not all readers know of.
    if not sound or key == "hdrcharset":
        raise Unsound(f"it has a pax header whose {key} is none", details=[f"{value[:100]!a}"])


def _check_member(header: tarfile.TarInfo, following: _Next) -> None:
    name = f"{header.name[:200]!a}"
    if header.type not in (*_FILES, *_EMPTY):
        kind = _KINDS.get(header.type, "of a kind that not all readers know")
        raise Unsound(f"{name} is {kind}: an sdist has files, folders and links")
    if header.size < 0 or (header.type in _EMPTY and header.size):
        raise Unsound(f"{name} has a size that its kind has not: readers differ in what follows")
    if min(header.mtime, header.uid, header.gid) < 0:
        raise Unsound(f"{name} has a time or an owner below nought, which not all readers take")
    if following.size is not None and following.size != header.size:
        raise Unsound(f"{name} has one size in its header and another in the pax header before it")
