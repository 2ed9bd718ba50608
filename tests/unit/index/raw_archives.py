"""Zips and tars written by hand, field by field, so that they can be what no tool makes."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tiny_wheels import METADATA, RECORD, record, whole

FOLDER = "tiny-1.0.dist-info"
SDIST = "tiny-1.0.tar.gz"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One member of a zip: `local` has what its own header says otherwise than the directory."""

    name: str
    content: bytes = b""
    method: int = 0
    flags: int = 0
    extra: bytes = b""
    attributes: int = 0
    packed: bytes | None = None
    said: dict[str, int] = field(default_factory=dict)
    local: dict[str, int] = field(default_factory=dict)
    local_name: str | None = None
    local_extra: bytes = b""
    descriptor: bytes = b""
    listed: bool = True
    offset: int | None = None

    def raw(self) -> bytes:
        if self.packed is not None:
            return self.packed
        if self.method != 8:
            return self.content
        deflate = zlib.compressobj(wbits=-15)
        return deflate.compress(self.content) + deflate.flush()

    def fields(self, **other: int) -> tuple[int, ...]:
        values = {
            "flags": self.flags, "method": self.method, "crc": zlib.crc32(self.content), "packed": len(self.raw()),
            "size": len(self.content), **self.said, **other,
        }  # fmt: skip
        return tuple(values[name] for name in ("flags", "method", "crc", "packed", "size"))


def raw_zip(
    entries: Iterable[Entry], *, before: bytes = b"", gap: bytes = b"", comment: bytes = b"", after: bytes = b"",
    shifted: bool = False, count: int | None = None, large: int | None = None,
) -> bytes:  # fmt: skip
    """A zip of these members. `before` and `gap` are bytes before its first member and before its directory;
    with `large`, its end has 64 bits, and says that it has so many members.
    """
    body, directory, listed = before, b"", 0
    for entry in entries:
        offset = len(body) - (len(before) if shifted else 0) if entry.offset is None else entry.offset
        flags, method, crc, packed, size = entry.fields(**entry.local)
        name = (entry.name if entry.local_name is None else entry.local_name).encode()
        head = struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, crc, packed, size, len(name), len(entry.local_extra)
        )
        body += head + name + entry.local_extra + entry.raw() + entry.descriptor
        if entry.listed:
            listed += 1
            flags, method, crc, packed, size = entry.fields()
            name = entry.name.encode()
            directory += struct.pack(
                "<4s6H3L5H2L", b"PK\1\2", 0x0314, 20, flags, method, 0, 33, crc, packed, size, len(name),
                len(entry.extra), 0, 0, 0, entry.attributes, offset,
            ) + name + entry.extra  # fmt: skip
    body += gap
    number = listed if count is None else count
    start = len(body) - (len(before) if shifted else 0)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, number, number, len(directory), start, len(comment))
    if large is not None:
        where = len(body) + len(directory)
        end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, large, large, len(directory), start)
        end64 += struct.pack("<4sLQL", b"PK\6\7", 0, where, 1)
        end = end64 + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), start, len(comment))
    return body + directory + end + comment + after


def entries(members: dict[str, str] | None = None) -> list[Entry]:
    """The members of a sound wheel, of these or of the usual files; its RECORD is right."""
    members = whole(content="a = 1\n") if members is None else members
    filled = {name: text or (record(members, name) if name == RECORD else "") for name, text in members.items()}
    return [Entry(name=name, content=text.encode()) for name, text in filled.items()]


def with_first(**other: object) -> list[Entry]:
    """A sound wheel whose `tiny.py` has these other fields."""
    first, *rest = entries()
    return [replace(first, **other), *rest]  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One member of a tar; `raw` in place of all the rest."""

    name: str = ""
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    link: str = ""
    mode: int = 0o644
    pax: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None

    def written(self, form: int) -> bytes:
        if self.raw is not None:
            return self.raw
        member = tarfile.TarInfo(self.name)
        member.type, member.linkname, member.mode, member.size = self.kind, self.link, self.mode, len(self.content)
        member.pax_headers = self.pax
        return member.tobuf(form) + self.content + bytes(-len(self.content) % 512)


def raw_sdist(
    *pieces: Piece, form: int = tarfile.PAX_FORMAT, end: bytes = bytes(1024), after: bytes = b"",
    build: tuple[str, bytes] | None = ("pyproject.toml", b""),
) -> bytes:  # fmt: skip
    """An sdist of PKG-INFO, what it is built from, and these members."""
    first = [Piece(name="tiny-1.0/PKG-INFO", content=METADATA.encode())]
    if build is not None:
        first.append(Piece(name=f"tiny-1.0/{build[0]}", content=build[1]))
    tar = b"".join(piece.written(form) for piece in (*first, *pieces)) + end
    return gzip.compress(tar, mtime=0) + after


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    """One block of a tar, alone."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.USTAR_FORMAT)


def below_nought(field: str) -> bytes:
    """A member whose header says a number below nought, as GNU tar writes one."""
    member = tarfile.TarInfo("tiny-1.0/a")
    setattr(member, field, -5)
    return member.tobuf(tarfile.GNU_FORMAT)


def extension(content: bytes, kind: bytes = tarfile.XHDTYPE) -> Piece:
    """A header that says more of the next member: in pax form, or in that of GNU."""
    return Piece(raw=header(kind, len(content)) + content + bytes(-len(content) % 512))


def pax(**records: str) -> bytes:
    """The records of a pax header."""
    lines = b""
    for key, value in records.items():
        rest = f" {key.replace('_', '.')}={value}\n".encode()
        length = len(rest) + len(str(len(rest) + 2))
        lines += str(length).encode() + rest
    return lines


def many_members(count: int) -> bytes:
    """An sdist of very many empty files: a megabyte, compressed."""
    block = bytearray(header(tarfile.REGTYPE, 0, "tiny-1.0/0000000"))
    block[148:156] = b"        "
    total = sum(block) - sum(b"0000000")
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as stream:
        stream.write(Piece(name="tiny-1.0/PKG-INFO", content=METADATA.encode()).written(tarfile.USTAR_FORMAT))
        stream.write(Piece(name="tiny-1.0/setup.py").written(tarfile.USTAR_FORMAT))
        for number in range(count):
            block[9:16] = digits = b"%07d" % number
            block[148:156] = b"%06o\0 " % (total + sum(digits))
            stream.write(block)
        stream.write(bytes(1024))
    return buffer.getvalue()


def long_pax_header(digits: int) -> bytes:
    """An sdist whose pax header is a row of digits: to `tarfile` a length, sought from each of them on."""
    return raw_sdist(extension(b"1" * digits), Piece(name="tiny-1.0/a"))


def long_record(lines: int) -> bytes:
    """A wheel whose RECORD lists very many files that are not in it."""
    members = whole(content="a = 1\n")
    more = "".join(f"a/{number}.py,,\n" for number in range(lines))
    found = entries(members | {RECORD: record(members, RECORD) + more})
    return raw_zip([replace(entry, method=8) for entry in found])
