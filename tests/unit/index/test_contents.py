"""Archives that installers refuse, or that two of them read differently: refused by name. And those that are sound."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import lzma
import struct
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from raw_archives import (
    FOLDER,
    SDIST,
    Entry,
    Piece,
    below_nought,
    entries,
    extension,
    header,
    long_pax_header,
    long_record,
    many_members,
    pax,
    raw_sdist,
    raw_zip,
    with_first,
)  # fmt: skip
from tiny_wheels import METADATA, NAME, RECORD, wheel, whole

from astronomer_certified.index.store import validation
from astronomer_certified.index.store.contents import verification
from astronomer_certified.index.store.validation import Refused

WHEEL = f"{FOLDER}/WHEEL"
A = b"a = 1\n"
DATA = "tiny-1.0.data"
PYTHON = "Requires-Python: {}\n"
DIST = "Requires-Dist: {}\n"
LINK, PIPE, DIRECTORY = 0o120777 << 16, 0o010644 << 16, 0o040755 << 16


def verified(tmp_path: Path, filename: str, content: bytes) -> verification.Contents:
    path = tmp_path / "upload"
    path.write_bytes(content)
    return verification.verify(path, validation.parse(filename))


def with_more(*more: Entry, **members: str) -> bytes:
    """A sound wheel and these members, which RECORD lists, too."""
    texts = whole(content=A.decode()) | {entry.name: entry.content.decode() for entry in more}
    listed = {name: text for name, text in texts.items() if not name.endswith("/")}
    found = {entry.name: entry for entry in entries(listed)} | {entry.name: entry for entry in more}
    return raw_zip(found.values())


def replaced(name: str, text: str) -> bytes:
    return raw_zip(entries(whole(content=A.decode()) | {name: text}))


def asking(text: str) -> bytes:
    """A sound wheel but for these lines of METADATA."""
    return replaced(f"{FOLDER}/METADATA", METADATA + text)


def with_scripts(content: bytes) -> bytes:
    """A sound wheel with this entry_points.txt."""
    name, mark = f"{FOLDER}/entry_points.txt", "in place of it"
    digests = [hashlib.sha256(it).digest() for it in (mark.encode(), content)]
    digest, right = (base64.urlsafe_b64encode(it).rstrip(b"=") for it in digests)
    found = {entry.name: entry for entry in entries(whole(content=A.decode()) | {name: mark})}
    listed = found[RECORD].content.replace(b"%s,%d\n" % (digest, len(mark)), b"%s,%d\n" % (right, len(content)))
    found |= {name: replace(found[name], content=content), RECORD: replace(found[RECORD], content=listed)}
    return raw_zip(found.values())


def described(form: str, *, mark: bool = True, **local: int) -> bytes:
    crc, mark_field = zlib.crc32(A), (b"PK\7\x08",) if mark else ()
    nothing = {"crc": 0, "packed": 0, "size": 0}
    descriptor = struct.pack(form, *mark_field, crc, len(A), len(A))
    return raw_zip(with_first(flags=8, local=nothing | local, descriptor=descriptor))


def zip64(size: int, packed: int) -> bytes:
    return struct.pack("<HHQQ", 1, 16, size, packed)


def two_digests_in_record() -> bytes:
    found = entries()
    listed = found[-1].content + b"tiny.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
    return raw_zip([*found[:-1], replace(found[-1], content=listed)])


BAD_WHEELS = {
    "a zip before the zip": (lambda: raw_zip(entries(), before=raw_zip(entries()), shifted=True), "before its first"),
    "bytes before the zip": (lambda: raw_zip(entries(), before=b"#!/bin/sh\n"), "'tiny.py' comes after bytes"),
    "bytes after the zip": (lambda: raw_zip(entries(), after=b"more"), "bytes after its end"),
    "a zip after the zip": (lambda: raw_zip(entries()) + raw_zip(entries()), "before its first"),
    "an end in the comment": (
        lambda: raw_zip(entries(), comment=raw_zip(entries())[-22:] + b"x"),
        "bytes after its end",
    ),
    "a zip in the comment": (lambda: raw_zip(entries(), comment=b"PK\3\4 more"), "comment with parts of a zip"),
    "a gap": (lambda: raw_zip(entries(), gap=b"more"), "bytes that belong to no member"),
    "a member in no directory": (
        lambda: raw_zip([*entries(), Entry(name="hidden.py", content=A, listed=False)]),
        "bytes that belong to no member",
    ),
    "a member in no directory, in the middle": (
        lambda: raw_zip([Entry(name="hidden.py", content=A, listed=False), *entries()]),
        "'tiny.py' comes after bytes",
    ),
    "a directory of more": (lambda: raw_zip(entries(), count=2), "more members than its end record"),
    "a directory of less": (lambda: raw_zip(entries(), count=9), "directory is damaged"),
    "another local name": (lambda: raw_zip(with_first(local_name="evil.py")), "'tiny.py' is called 'evil.py'"),
    "another local CRC": (lambda: raw_zip(with_first(local={"crc": 1})), "'tiny.py' has another CRC or size"),
    "another local size": (lambda: raw_zip(with_first(local={"size": 1})), "'tiny.py' has another CRC or size"),
    "another local method": (lambda: raw_zip(with_first(local={"method": 8})), "other flags or another method"),
    "other local flags": (lambda: raw_zip(with_first(local={"flags": 0x800})), "other flags or another method"),
    "a wrong CRC": (lambda: raw_zip(with_first(said={"crc": 1})), "'tiny.py' has another CRC"),
    "two sizes of what is stored": (lambda: raw_zip(with_first(said={"size": 3})), "is stored, and has two sizes"),
    "a wrong size": (lambda: raw_zip(with_first(method=8, said={"size": 3})), "'tiny.py' unpacks to another size"),
    "more packed than said": (
        lambda: raw_zip(with_first(method=8, packed=Entry(name="x", method=8, content=A).raw() + b"more")),
        "end elsewhere",
    ),
    "a wrong CRC behind the data": (
        lambda: described("<4sL2L").replace(b"PK\7\x08", b"PK\7\x09"),
        "another CRC or size behind its data",
    ),
    "overlapping members": (
        lambda: raw_zip([*entries(), Entry(name="b.py", content=A, offset=0)]),
        "begins within another member",
    ),
    "a member at no header": (
        lambda: raw_zip([replace(entries()[0], offset=1), *entries()[1:]]),
        "comes after bytes that belong to no member",
    ),
    "no member at its start": (lambda: b"XX" + raw_zip(entries())[2:], "has no header of its own"),
    "two ends that differ": (lambda: raw_zip(entries(), large=3), "more members than its end record"),
    "a million members": (lambda: raw_zip(entries(), large=1_000_000), "more than the 100000 members"),
    "encrypted": (lambda: raw_zip(with_first(flags=1)), "'tiny.py' is encrypted"),
    "bzip2": (lambda: raw_zip(with_first(method=12, packed=bz2.compress(A))), "packed by method 12"),
    "LZMA": (lambda: raw_zip(with_first(method=14, packed=lzma.compress(A))), "packed by method 14"),
    "a link": (lambda: raw_zip(with_first(attributes=LINK)), "'tiny.py' is a link"),
    "a pipe": (lambda: raw_zip(with_first(attributes=PIPE)), "'tiny.py' is a link, a device"),
    "a file that is a folder": (lambda: raw_zip(with_first(attributes=DIRECTORY)), "'tiny.py' is a link, a device"),
    "a folder with bytes": (
        lambda: with_more(Entry(name="more/", content=b"x")),
        "'more/' is a folder, and holds bytes",
    ),
    "a file and a folder": (
        lambda: with_more(Entry(name="more"), Entry(name="more/a.py")),
        "'more' is a file and a folder",
    ),
    "a second name": (
        lambda: raw_zip(with_first(extra=struct.pack("<HHBL", 0x7075, 9, 1, 0) + b"evil")),
        "has a second name",
    ),
    "no size of 64 bits": (lambda: raw_zip(with_first(said={"size": 0xFFFFFFFF})), "lacks a size of 64 bits"),
    "other sizes of 64 bits": (lambda: raw_zip(with_first(extra=zip64(9, 9))), "does not ask for"),
    "sizes of 64 bits twice": (lambda: raw_zip(with_first(extra=zip64(6, 6) * 2)), "sizes of 64 bits twice"),
    "one file, two spellings": (lambda: with_more(Entry(name="./tiny.py")), r"'\./tiny\.py' is not a plain path"),
    "an empty part": (lambda: with_more(Entry(name="a//b.py")), "'a//b.py' is not a plain path"),
    "a dot at the end": (lambda: with_more(Entry(name="tiny.py.")), r"'tiny\.py\.' is in it more than once"),
    "two forms of a letter": (
        lambda: with_more(Entry(name="\u00e9.py", flags=0x800), Entry(name="e\u0301.py", flags=0x800)),
        "more than once",
    ),
    "a control character": (lambda: with_more(Entry(name="a\x1b[2Jb.py")), "control character"),
    "a drive": (lambda: with_more(Entry(name="C:/a.py")), "outside of its folder"),
    "an absolute path": (lambda: with_more(Entry(name="/a.py")), "outside of its folder"),
    "a name in no encoding": (lambda: with_more(Entry(name="\u00e9.py")), "in no stated encoding"),
    "a path of 5,000 folders": (lambda: with_more(Entry(name="a/" * 5000 + "b")), "longer path than"),
    "a folder of another project": (
        lambda: raw_zip(entries({n.replace("tiny-1.0.d", "other-1.0.d"): t or "x" for n, t in whole().items()})),
        "'other-1.0.dist-info' is the folder of another distribution",
    ),
    "a folder of another version": (
        lambda: raw_zip(entries({n.replace("tiny-1.0.d", "tiny-1.1.d"): t or "x" for n, t in whole().items()})),
        "'tiny-1.1.dist-info' is the folder of another distribution",
    ),
    "a folder in capitals beside it": (
        lambda: with_more(Entry(name="tiny-1.0.DIST-INFO/RECORD")),
        "exactly one .dist-info",
    ),
    "Wheel-Version 9": (lambda: replaced(WHEEL, "Wheel-Version: 9.0\n"), "Wheel-Version 9.0 is one that installers"),
    "no Wheel-Version": (lambda: replaced(WHEEL, "Tag: py3-none-any\n"), "no Wheel-Version"),
    "two Wheel-Versions": (lambda: replaced(WHEEL, "Wheel-Version: 1.0\nWheel-Version: 9.0\n"), "or several"),
    "METADATA in Latin-1": (
        lambda: raw_zip(
            [replace(e, content=e.content + b"Author: \xe9\n") if e.name.endswith("METADATA") else e for e in entries()]
        ),
        "METADATA' is not UTF-8",
    ),
    "a version of many digits": (
        lambda: replaced(f"{FOLDER}/METADATA", METADATA.replace("1.0", "9" * 5000)),
        "metadata of another",
    ),
    "a Requires-Python without end": (
        lambda: replaced(f"{FOLDER}/METADATA", METADATA + "Requires-Python: " + ">=3," * 1000 + "\n"),
        "1000 characters",
    ),
    "two digests of one file": (two_digests_in_record, "says two things of 'tiny.py'"),
    "two Requires-Python": (
        lambda: asking(PYTHON.format(">=3.6") + PYTHON.format(">=99")),
        "has two Requires-Python",
    ),
    "a Requires-Python that is none": (lambda: asking(PYTHON.format("banana")), "a Requires-Python that installers"),
    "a Requires-Python of words": (lambda: asking(PYTHON.format(">=banana")), "a Requires-Python that installers"),
    "a Requires-Python of no number": (
        lambda: asking(PYTHON.format(f">={'1' * 30}")),
        "a Requires-Python that installers",
    ),
    "a Requires-Dist of no number": (
        lambda: asking(DIST.format(f"a>=1.*,<{'1' * 30}")),
        "a Requires-Dist that installers",
    ),
    "a Requires-Dist of very many digits": (
        lambda: asking(DIST.format(f"a>={'1' * 5000}")),
        "a Requires-Dist that inst",
    ),
    "a Requires-Dist that ends too early": (lambda: asking(DIST.format("foo (>=1.0.*")), "a Requires-Dist that inst"),
    "a Requires-Dist that is none": (lambda: asking(DIST.format("!!! nonsense")), "a Requires-Dist that installers"),
    "a Requires-Dist without end": (lambda: asking(DIST.format("a" * 20_000)), "a Requires-Dist that installers"),
    "a Requires-Dist with a marker that is none": (lambda: asking(DIST.format("a>=1.*; b")), "a Requires-Dist that in"),
    "a Requires-Dist of very deep brackets": (
        lambda: asking(DIST.format(f"a; {'(' * 4000}")),
        "a Requires-Dist that installers",
    ),
    "a Requires-Dist of exactly a word": (lambda: asking(DIST.format("a===b")), "a Requires-Dist that installers"),
    "another .data folder": (
        lambda: with_more(Entry(name="other-9.9.data/scripts/pip")),
        "'other-9.9.data/scripts/pip' is in another .data folder than tiny-1.0.data",
    ),
    "two .data folders": (
        lambda: with_more(Entry(name=f"{DATA}/purelib/a.py"), Entry(name="other-9.9.data/purelib/planted.py")),
        "in another .data folder",
    ),
    "a .data folder in capitals": (lambda: with_more(Entry(name="tiny-1.0.DATA/purelib/a.py")), "another .data fold"),
    "a file that is called like a .data folder": (lambda: with_more(Entry(name="a.data")), "another .data folder"),
    "an unknown scheme": (lambda: with_more(Entry(name=f"{DATA}/evil/a.py")), "is in none of the folders that"),
    "a file in the .data folder itself": (lambda: with_more(Entry(name=f"{DATA}/a.py")), "is in none of the folders"),
    "a folder of scripts": (lambda: with_more(Entry(name=f"{DATA}/scripts/a/b")), "is in a folder of scripts"),
    "two files for one place": (
        lambda: with_more(Entry(name=f"{DATA}/purelib/a.py"), Entry(name=f"{DATA}/platlib/a.py")),
        "'a.py' is in it more than once",
    ),
    "a file over one of the wheel's own": (
        lambda: with_more(Entry(name=f"{DATA}/purelib/tiny.py")),
        "'tiny.py' is in it more than once",
    ),
    "metadata of another distribution from .data": (
        lambda: with_more(Entry(name=f"{DATA}/purelib/pip-99.dist-info/METADATA")),
        "would be the metadata of a distribution",
    ),
    "WHEEL in Latin-1": (
        lambda: raw_zip(
            [replace(e, content=e.content + b"Generator: \xe9\n") if e.name == WHEEL else e for e in entries()]
        ),
        "its WHEEL is not UTF-8",
    ),
    "two Root-Is-Purelib": (
        lambda: replaced(WHEEL, "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nRoot-Is-Purelib: false\n"),
        "Root-Is-Purelib is neither",
    ),
    "a script elsewhere": (
        lambda: with_scripts(b"[console_scripts]\n../../x/PLANTED = os:getcwd\n"),
        "has a script of the name '../../x/PLANTED'",
    ),
    "a script with a blank in its name": (lambda: with_scripts(b"[gui_scripts]\na b = os:getcwd\n"), "no plain file"),
    "a script in place of Python": (
        lambda: with_scripts(b"[console_scripts]\npython3 = os:getcwd\n"),
        "a Python's own",
    ),
    "a script that calls nothing": (lambda: with_scripts(b"[console_scripts]\nfoo = os\n"), "no MODULE:FUNCTION: 'os'"),
    "a script of two lines": (
        lambda: with_scripts(b"[console_scripts]\nfoo = os:a\n  b = os:c\n"),
        "begins with blanks",
    ),
    **{
        f"a script that {what}": (partial(with_scripts, text.encode()), words)
        for what, text, words in (
            (
                "only pip sees, after a break",
                "[a]\nb = c\u2028[console_scripts]\u2028x = y:z\n",
                "or a break that is none",
            ),
            ("only pip sees, after blanks", "[a]\nb = c\n  [console_scripts]\n  x = y:z\n", "begins with blanks"),
            ("is no comment to pip", "[console_scripts]\n;x = y:z\n", "of the name ';x'"),
            ("only uv sees, in all groups", "[DEFAULT]\nx = y:z\n[gui_scripts]\na = b:c\n", "the name of a group that"),
            ("only uv sees, after a comment", "[console_scripts] # a\nx = y:z\n", "the name of a group that"),
            ("is in a group with blanks", "[ console_scripts ]\nx = y:z\n", "the name of a group that"),
            ("has a module that is none", "[console_scripts]\nx = y..z:a\n", "no MODULE:FUNCTION"),
            ("has extras that are none", "[console_scripts]\nx = y:a [b c]\n", "no MODULE:FUNCTION"),
        )
    },
    "entry points of one long line": (
        lambda: with_scripts(b"[console_scripts]\na" + b" " * 500_000 + b"b\n"),
        "has more than 1000 characters in a line",
    ),
    "one script twice": (
        lambda: with_scripts(b"[console_scripts]\nfoo = a:b\nfoo = c:d\n"),
        "entry_points.txt is none",
    ),
    "entry points in Latin-1": (
        lambda: with_scripts(b"[console_scripts]\nf\xe9 = os:getcwd\n"),
        "entry_points.txt' is not UTF-8",
    ),
    "entry points that are none": (lambda: with_scripts(b"garbage no section\n"), "entry_points.txt is none"),
    "a group that is none": (lambda: with_scripts(b"[[\n"), "the name of a group that"),
    "an entry point without a value": (lambda: with_scripts(b"[console_scripts]\nfoo\n"), "entry_points.txt is none"),
    "a RECORD without end": (lambda: long_record(200_000), "more lines than the wheel has members"),
}

BAD_SDISTS = {
    "two files of one name": (
        lambda: raw_sdist(Piece(name="tiny-1.0/setup.py", content=A), Piece(name="tiny-1.0/setup.py")),
        r"'tiny-1\.0/setup\.py' is in it more than once",
    ),
    "two PKG-INFO": (lambda: raw_sdist(Piece(name="tiny-1.0/PKG-INFO")), "PKG-INFO' is in it more than once"),
    "one file, two spellings": (lambda: raw_sdist(Piece(name="tiny-1.0/./PKG-INFO")), "is not a plain path"),
    "a folder of another version": (lambda: raw_sdist(Piece(name="tiny-1.1/a")), "holds one folder, this one 2"),
    "a PKG-INFO of another version": (
        lambda: gzip.compress(
            Piece(name="tiny-1.0/PKG-INFO", content=METADATA.replace("1.0", "1.1").encode()).written(0)
            + Piece(name="tiny-1.0/setup.py").written(0)
            + bytes(1024)
        ),
        "metadata of another distribution",
    ),
    "another folder": (
        lambda: gzip.compress(Piece(name="other/PKG-INFO", content=METADATA.encode()).written(0) + bytes(1024)),
        "must be called tiny-1.0",
    ),
    "an absolute link": (
        lambda: raw_sdist(Piece(name="tiny-1.0/a", kind=tarfile.SYMTYPE, link="/etc/passwd")),
        r"'tiny-1\.0/a' is a link to '/etc/passwd'",
    ),
    "a link out of the folder": (
        lambda: raw_sdist(Piece(name="tiny-1.0/b/a", kind=tarfile.SYMTYPE, link="../../x")),
        "is a link to '../../x'",
    ),
    "a link through a link": (
        lambda: raw_sdist(
            Piece(name="tiny-1.0/b/c/d", kind=tarfile.SYMTYPE, link=".."),
            Piece(name="tiny-1.0/e", kind=tarfile.SYMTYPE, link="b/c/d/../../x"),
        ),
        "through another link",
    ),
    "a file through a link": (
        lambda: raw_sdist(Piece(name="tiny-1.0/b", kind=tarfile.SYMTYPE, link="c"), Piece(name="tiny-1.0/b/a")),
        "file and a folder",
    ),
    "a hard link out of the folder": (
        lambda: raw_sdist(Piece(name="tiny-1.0/a", kind=tarfile.LNKTYPE, link="../../etc/passwd")),
        "is a hard link to",
    ),
    "a hard link to a link": (
        lambda: raw_sdist(
            Piece(name="tiny-1.0/b", kind=tarfile.SYMTYPE, link="PKG-INFO"),
            Piece(name="tiny-1.0/a", kind=tarfile.LNKTYPE, link="tiny-1.0/b"),
        ),
        "is no file before it",
    ),
    "a device": (lambda: raw_sdist(Piece(name="tiny-1.0/a", kind=tarfile.BLKTYPE)), "is a device"),
    "a pipe": (lambda: raw_sdist(Piece(name="tiny-1.0/a", kind=tarfile.FIFOTYPE)), "is a pipe"),
    "another kind": (lambda: raw_sdist(Piece(name="tiny-1.0/a", kind=b"Z")), "not all readers know"),
    "holes": (lambda: raw_sdist(extension(pax(GNU_sparse_major="1")), Piece(name="tiny-1.0/a")), "file with holes"),
    "a folder with bytes": (
        lambda: raw_sdist(Piece(raw=header(tarfile.DIRTYPE, 512, "tiny-1.0/a") + bytes(512))),
        "size that its kind has not",
    ),
    "two sizes": (
        lambda: raw_sdist(extension(pax(size="1024")), Piece(name="tiny-1.0/a", content=A)),
        "one size in its header",
    ),
    "two pax headers": (
        lambda: raw_sdist(extension(pax(comment="a")), extension(pax(comment="b")), Piece(name="tiny-1.0/a")),
        "two headers of one kind",
    ),
    "one path for all": (
        lambda: raw_sdist(extension(pax(path="tiny-1.0/b"), tarfile.XGLTYPE), Piece(name="tiny-1.0/a")),
        "all members one path",
    ),
    "two paths": (
        lambda: raw_sdist(extension(pax(path="tiny-1.0/b") + pax(path="tiny-1.0/c")), Piece(name="tiny-1.0/a")),
        "two things of 'path'",
    ),
    "a header for nothing": (lambda: raw_sdist(extension(pax(comment="a"))), "ends with a header"),
    "a pax header that is none": (
        lambda: raw_sdist(extension(b"what"), Piece(name="tiny-1.0/a")),
        "pax header that is none",
    ),
    "60,000 digits": (lambda: long_pax_header(60_000), "pax header that is none"),
    "600,000 digits": (lambda: long_pax_header(600_000), "more than the 65536 bytes"),
    "480,000 members": (lambda: many_members(480_000), "more than the 100000 members"),
    "a long GNU name": (
        lambda: raw_sdist(extension(b"a" * 100_000, tarfile.GNUTYPE_LONGNAME), Piece(name="tiny-1.0/a")),
        "more than the",
    ),
    "a second tar behind the end": (
        lambda: raw_sdist(end=bytes(1024) + header(b"0", 0) + bytes(1024)),
        "bytes behind its end",
    ),
    "no end": (lambda: raw_sdist(end=b""), "ends too early"),
    "a second gzip stream": (lambda: raw_sdist(after=gzip.compress(b"more")), "bytes behind its gzip stream"),
    "bytes behind the gzip stream": (lambda: raw_sdist(after=b"more"), "bytes behind its gzip stream"),
    "an absolute path": (lambda: raw_sdist(Piece(name="/tiny-1.0/a")), "outside of its folder"),
    "nothing to build from": (lambda: raw_sdist(build=None), "neither pyproject.toml nor setup.py"),
    "a folder to build from": (
        lambda: raw_sdist(Piece(name="tiny-1.0/setup.py", kind=tarfile.DIRTYPE), build=None),
        "neither pyproject.toml nor setup.py",
    ),
    "a link to build from": (
        lambda: raw_sdist(Piece(name="tiny-1.0/pyproject.toml", kind=tarfile.SYMTYPE, link="PKG-INFO"), build=None),
        "pyproject.toml' is not a file",
    ),
    **{
        f"a pyproject.toml {what}": (partial(raw_sdist, build=("pyproject.toml", content)), words)
        for what, content, words in (
            ("that is none", b"[[[", "pyproject.toml is none"),
            ("of very deep lists", b"a = " + b"[" * 100_000, "pyproject.toml is none"),
            ("in Latin-1", b"# \xe9\n", "pyproject.toml is none"),
            ("without end", b"#" * (2 << 20), "more than 1048576 bytes"),
            ("that requires no list", b"[build-system]\nrequires = 'a'\n", "without a list of what it requires"),
            ("that requires nothing", b"[build-system]\nbuild-backend = 'a'\n", "without a list of what it requires"),
            ("whose build-system is none", b"build-system = 5\n", "without a list of what it requires"),
            ("that requires nonsense", b"[build-system]\nrequires = ['!!']\n", "requires what installers do not read"),
            (
                "whose backend is a number",
                b"[build-system]\nrequires = []\nbuild-backend = 5\n",
                "backend that is none",
            ),
            (
                "whose backend is elsewhere",
                b"[build-system]\nrequires = []\nbackend-path = ['../..']\n",
                "outside of its",
            ),
            ("of a project without a name", b"[project]\nversion = '1'\n", "project without a name"),
        )
    },
    **{
        f"a pax header with {key}={value}": (
            partial(raw_sdist, extension(pax(**{key: value})), Piece(name="tiny-1.0/a")),
            f"a pax header whose {key} is none",
        )
        for key, value in (
            ("mtime", "-1"),
            ("mtime", "1e+18"),
            ("mtime", "nan"),
            ("mtime", "9" * 20),
            ("atime", "x"),
            ("ctime", "1."),
            ("uid", "-5"),
            ("gid", "x"),
            ("hdrcharset", "BINARY"),
        )
    },
    "a pax path that is not UTF-8": (
        lambda: raw_sdist(extension(b"19 path=tiny-1.0/\xff\n"), Piece(name="tiny-1.0/a")),
        "a pax header whose path is none",
    ),
    "a path that is not UTF-8": (
        lambda: raw_sdist(Piece(name="tiny-1.0/\udcff"), form=tarfile.GNU_FORMAT),
        "is a name that is not UTF-8",
    ),
    "a link that is not UTF-8": (
        lambda: raw_sdist(Piece(name="tiny-1.0/a", kind=tarfile.SYMTYPE, link="\udcff"), form=tarfile.GNU_FORMAT),
        "link to a name that is not UTF-8",
    ),
    "a time before 1970": (
        lambda: raw_sdist(Piece(raw=below_nought("mtime"))),
        "time or an owner below nought",
    ),
    "an owner below nought": (lambda: raw_sdist(Piece(raw=below_nought("uid"))), "time or an owner below nought"),
}

GOOD = {
    "a plain wheel": (NAME, lambda: raw_zip(entries())),
    "deflated": (NAME, lambda: raw_zip([replace(entry, method=8) for entry in entries()])),
    "an end of 64 bits": (NAME, lambda: raw_zip(entries(), large=4)),
    "with a comment": (NAME, lambda: raw_zip(entries(), comment=b"made by hand")),
    "with folders": (NAME, lambda: with_more(Entry(name="more/", attributes=DIRECTORY), Entry(name="more/a.py"))),
    "sizes behind the data": (NAME, lambda: described("<4sL2L")),
    "sizes behind the data, unmarked": (NAME, lambda: described("<L2L", mark=False)),
    "sizes of 64 bits behind the data": (NAME, lambda: described("<4sL2Q")),
    "sizes before and behind the data": (NAME, lambda: described("<4sL2L", crc=zlib.crc32(A), packed=6, size=6)),
    "local sizes of 64 bits": (
        NAME,
        lambda: raw_zip(with_first(local={"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF}, local_extra=zip64(6, 6))),
    ),
    "the same sizes once more": (NAME, lambda: raw_zip(with_first(local_extra=zip64(6, 6)))),
    "modes of Unix": (NAME, lambda: raw_zip(with_first(attributes=0o100755 << 16))),
    "names beyond ASCII": (NAME, lambda: with_more(Entry(name="\u00e9.py", flags=0x800))),
    "files of every scheme": (
        NAME,
        lambda: with_more(
            *[Entry(name=f"{DATA}/{scheme}/a") for scheme in ("purelib", "headers", "scripts", "data")],
            Entry(name=f"{DATA}/platlib/b"),
            Entry(name=f"{DATA}/data/share/c"),
            Entry(name=f"{DATA}/"),
        ),
    ),
    "a sentence that ends in .data within": (NAME, lambda: with_more(Entry(name="tiny/a.data/b"))),
    "scripts": (
        NAME,
        lambda: with_scripts(
            b"# a\n[console_scripts]\n    a-1.0 = tiny.b:c.d [x, y]\n    A_b=tiny :c\n\n[gui_scripts]\nb = tiny:b\r\n"
            b"[other.group]\n../x = tiny\na b = %(c)s\n"
        ),
    ),
    "true in capitals": (NAME, lambda: replaced(WHEEL, "Wheel-Version: 1.0\nRoot-Is-Purelib: True\n")),
    "files that differ in case": (NAME, lambda: with_more(Entry(name="Tiny.py"))),
    "a plain sdist": (SDIST, raw_sdist),
    "in the form of GNU": (SDIST, lambda: raw_sdist(Piece(name=f"tiny-1.0/{'a' * 200}"), form=tarfile.GNU_FORMAT)),
    "in pax form": (SDIST, lambda: raw_sdist(Piece(name=f"tiny-1.0/\u00e9{'a' * 200}", pax={"mtime": "1.5"}))),
    "a comment for all, as git writes": (
        SDIST,
        lambda: raw_sdist(extension(pax(comment="0" * 40), tarfile.XGLTYPE), Piece(name="tiny-1.0/a")),
    ),
    "noughts behind the end": (SDIST, lambda: raw_sdist(end=bytes(20 * 512), after=bytes(512))),
    "folders, doubled and with their group's bit": (
        SDIST,
        lambda: raw_sdist(*[Piece(name="tiny-1.0/b", kind=tarfile.DIRTYPE, mode=0o2755)] * 2),
    ),
    "a set-user-ID bit, which installers drop": (SDIST, lambda: raw_sdist(Piece(name="tiny-1.0/a", mode=0o4755))),
    "a pyproject.toml alone": (
        SDIST,
        lambda: raw_sdist(
            build=("pyproject.toml", b"[build-system]\nrequires = ['a>=1']\nbackend-path = ['.', 'b']\n")
        ),
    ),
    "times and owners": (
        SDIST,
        lambda: raw_sdist(Piece(name="tiny-1.0/a", pax={"mtime": "1.5", "atime": "0", "uid": "12345678"})),
    ),
    "links within": (
        SDIST,
        lambda: raw_sdist(
            Piece(name="tiny-1.0/b/a", kind=tarfile.SYMTYPE, link="../PKG-INFO"),
            Piece(name="tiny-1.0/c", kind=tarfile.LNKTYPE, link="tiny-1.0/PKG-INFO"),
        ),
    ),
    "another spelling of name and version": (
        "tiny-1.0.0.tar.gz",
        lambda: gzip.compress(
            Piece(name="Tiny-1.0/PKG-INFO", content=METADATA.encode()).written(0)
            + Piece(name="Tiny-1.0/setup.py").written(0)
            + bytes(1024)
        ),
    ),
}


@pytest.mark.parametrize(("make", "words"), BAD_WHEELS.values(), ids=BAD_WHEELS)
def test_a_wheel_that_readers_refuse_or_read_differently_is_refused(
    tmp_path: Path, make: Callable[[], bytes], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        verified(tmp_path, NAME, make())


@pytest.mark.parametrize(("make", "words"), BAD_SDISTS.values(), ids=BAD_SDISTS)
def test_an_sdist_that_readers_refuse_or_read_differently_is_refused(
    tmp_path: Path, make: Callable[[], bytes], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        verified(tmp_path, SDIST, make())


@pytest.mark.parametrize(("filename", "make"), GOOD.values(), ids=GOOD)
def test_what_tools_make_is_taken(tmp_path: Path, filename: str, make: Callable[[], bytes]) -> None:
    assert verified(tmp_path, filename, make()).metadata == METADATA.encode()


@pytest.mark.parametrize(
    "text",
    [
        *map(DIST.format, [
            "azure-datalake-store (>=0.0.45azure-mgmt-datalake-store>=0.5.0) ; extra == 'all'", "pytz (>dev)",
            "elasticsearch-dsl (>=7.2.0<8.0.0)", "jupyter-core (!=~5.0,>=4.12)", "a >=1.9.*", "a[b] (>=2,!=3.0*)",
            "a @ https://example.org/a.zip ; python_version < '3'", "a (==1.0.*)", "a ; extra == 'b'",
        ]),
        *map(PYTHON.format, [">=2.7.*", ">= '2.7'", ">=2.7,!=3.0*", ">=3.6,", ">=2.7, !=3.0.*, <4", "~=3.6", ""]),
    ],
)  # fmt: skip
def test_what_installers_of_its_time_read_is_taken(tmp_path: Path, text: str) -> None:
    """The first is of the wheels of Airflow 1.10 itself, which certified releases are made of."""
    assert verified(tmp_path, NAME, asking(text)).metadata == (METADATA + text).encode()


def test_a_version_that_uv_could_not_keep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="larger number than every installer can keep"):
        verified(tmp_path, NAME.replace("1.0", "1" * 30), raw_zip(entries()))


@pytest.mark.parametrize("project", ["nothing", "none", "tiny"])
@pytest.mark.parametrize("text", ["Version: 1.0\n", "Name: x\nName: x\nVersion: 1.0\n"], ids=["no name", "two names"])
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_file_that_does_not_say_what_it_is_is_refused_whatever_its_project_is_called(
    tmp_path: Path, project: str, text: str, kind: str
) -> None:
    metadata = f"Metadata-Version: 2.1\n{text}"
    if kind == "wheel":
        filename = f"{project}-1.0-py3-none-any.whl"
        content = wheel(whole(metadata=metadata, folder=f"{project}-1.0.dist-info"))
    else:
        filename = f"{project}-1.0.tar.gz"
        pieces = {"PKG-INFO": metadata.encode(), "setup.py": b""}
        written = [Piece(name=f"{project}-1.0/{name}", content=text).written(0) for name, text in pieces.items()]
        content = gzip.compress(b"".join(written) + bytes(1024))
    with pytest.raises(Refused, match="holds the metadata of another distribution"):
        verified(tmp_path, filename, content)


def test_any_byte_of_a_wheel_that_is_cut_off_or_changed_is_never_an_error_of_ours(tmp_path: Path) -> None:
    """Refused or, where the byte says nothing to any reader (a date, a version), taken."""
    good = raw_zip([replace(entry, method=8) for entry in entries()])
    for number in range(len(good)):
        changed = bytearray(good)
        changed[number] ^= 0xFF
        for content in (bytes(changed), good[:number]):
            try:
                verified(tmp_path, NAME, content)
            except Refused:
                continue


def test_any_byte_of_an_sdist_that_is_changed_is_never_an_error_of_ours(tmp_path: Path) -> None:
    tar = gzip.decompress(raw_sdist(Piece(name=f"tiny-1.0/\u00e9{'a' * 200}", pax={"mtime": "1.5"})))
    for number in range(0, len(tar), 3):
        changed = bytearray(tar)
        changed[number] ^= 0x7F
        try:
            verified(tmp_path, SDIST, gzip.compress(bytes(changed), compresslevel=1))
        except Refused:
            continue
