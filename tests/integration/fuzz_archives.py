"""Wheels and sdists that no index should take, each wrong in one way or several."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from random import Random

FOLDER = "good-2.0.dist-info"
METADATA = b"Metadata-Version: 2.1\nName: good\nVersion: 2.0\n\nA\n"
WHEEL = b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
TOP = "good-2.0"

Members = list[tuple[zipfile.ZipInfo, bytes]]


def broken_wheel(chance: Random) -> tuple[str, bytes]:
    """The name of a wheel, and bytes that are none."""
    members = [
        (zipfile.ZipInfo("good.py"), chance.randbytes(chance.choice((0, 10, 3000)))),
        (zipfile.ZipInfo(f"{FOLDER}/METADATA"), METADATA),
        (zipfile.ZipInfo(f"{FOLDER}/WHEEL"), WHEEL),
    ]
    inside, outside = chance.choice([(1, 0), (1, 0), (0, 1), (1, 1), (2, 2)])
    for _ in range(inside):
        chance.choice(_MEMBERS)(chance, members)
    content = _zipped(members, sign=True)
    for _ in range(outside):
        content = chance.choice(_BYTES)(chance, content)
    return "good-2.0-py3-none-any.whl", content


def _zipped(members: Members, *, sign: bool) -> bytes:
    buffer = io.BytesIO()
    lines = []
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, data in members:
            archive.NameToInfo.pop(info.filename, None)  # or it would warn of a name that comes twice
            archive.writestr(info, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f'"{info.filename}",sha256={digest},{len(data)}\n')
        if sign:
            archive.writestr(f"{FOLDER}/RECORD", "".join(lines) + f"{FOLDER}/RECORD,,\n")
    return buffer.getvalue()


# --- members that no wheel has


def _changed(members: Members, name: str, data: bytes) -> None:
    members[:] = [(info, data if info.filename == name else old) for info, old in members]


def _other_metadata(chance: Random, members: Members) -> None:
    bad = [
        b"", b"\xff\xfe", METADATA.replace(b"good", b"other"), METADATA.replace(b"2.0", b"3.0"), b"Name: good\n" * 1000,
        METADATA.replace(b"Version: 2.0", b"Version: " + b"1" * 5000), b"\0" * 100,
        METADATA.replace(b"\n\nA", b"\n\xff\nA"),
    ]  # fmt: skip
    _changed(members, f"{FOLDER}/METADATA", chance.choice(bad))


def _other_wheel(chance: Random, members: Members) -> None:
    version = chance.choice([b"9.0", b"2.0", b"", b"x", b"1" * 5000])
    bad = [
        WHEEL.replace(b"Wheel-Version: 1.0", b"Wheel-Version: " + version), WHEEL.replace(b"t\n", b"\xe9\n"),
        WHEEL.replace(b": true", b": perhaps"), WHEEL + b"Root-Is-Purelib: false\n",
    ]  # fmt: skip
    _changed(members, f"{FOLDER}/WHEEL", chance.choice(bad))


def _other_requirements(chance: Random, members: Members) -> None:
    bad = [
        b"Requires-Dist: a (>=1.0.*", b"Requires-Dist: !!! nonsense", b"Requires-Dist: a; " + b"(" * 5000,
        b"Requires-Dist: a>=" + b"9" * chance.choice((30, 5000, 50_000)), b"Requires-Dist: a===b",
        b"Requires-Python: x",
        b"Requires-Python: >=3\nRequires-Python: >=4", b"Requires-Python: >=" + b"1" * 900,
        b"Requires-Dist: a " + b">=1 " * 5000, b"Requires-Dist: a>=1.*" + b" " * 9000 + b"x",
    ]  # fmt: skip
    _changed(members, f"{FOLDER}/METADATA", METADATA.replace(b"\n\nA", b"\n%s\n\nA" % chance.choice(bad)))


def _other_place(chance: Random, members: Members) -> None:
    """A file in a .data folder that installers differ about, or refuse."""
    path = chance.choice(
        ["other-9.9.data/scripts/pip", "other-9.9.data/purelib/a.py", "good-2.0.DATA/purelib/a.py", "good-2.0.data/a",
         "good-2.0.data/evil/a.py", "good-2.0.data/scripts/a/b", "good-2.0.data/purelib/good.py", "a.data",
         "good-2.0.data/platlib/pip-99.dist-info/METADATA", "good-2.0.data/headers"]
    )  # fmt: skip
    members.append((zipfile.ZipInfo(path), b"x = 1\n"))


def _other_scripts(chance: Random, members: Members) -> None:
    bad = [b"../../x", b"/x", b"a b", b"..", b"a\\b", b"\x1b", b"python3", b"", b"x" * 5000, b"a/b"]
    name = chance.choice(bad)
    value = chance.choice([b"os:getcwd", b"os", b"", b"os:a b", b":a", b"os:a\n  b:c", b"%(x)s:"])
    group = chance.choice([b"console_scripts", b"gui_scripts"])
    lines = [
        b"[%s]\n%s = os:getcwd\n" % (group, name), b"[%s]\na = os\n" % group, b"[%s]\na = \n" % group,
        b"[%s]\n\xe9 = os:getcwd\n" % group, b"[%s]\n%s = %s x\n" % (group, name, value), b"no section\n[[\n",
        b"[%s]\na = os:a\na = os:b\n" % group, b"[%s]\na\n" % group, b"\0" * 100,
    ]  # fmt: skip
    members.append((zipfile.ZipInfo(f"{FOLDER}/entry_points.txt"), chance.choice(lines)))


def _bad_path(chance: Random, members: Members) -> None:
    path = chance.choice(
        ["../evil.py", "/evil.py", "a/../../evil.py", "a\\..\\evil.py", "./good.py", "a//b.py", "C:/evil.py",
         "good.py/",
         f"{FOLDER}/../x", "other-1.0.dist-info/METADATA", "a\nb.py", "\x1b[31m.py", "x" * 5000]
    )  # fmt: skip
    members.append((zipfile.ZipInfo(path), b"x"))


def _twice(chance: Random, members: Members) -> None:
    members.append((zipfile.ZipInfo(chance.choice([info.filename for info, _ in members])), b"other"))


def _missing(chance: Random, members: Members) -> None:
    members[:] = [item for item in members if item[0].filename != f"{FOLDER}/{chance.choice(('METADATA', 'WHEEL'))}"][
        :2
    ]


def _odd_compression(chance: Random, members: Members) -> None:
    info = zipfile.ZipInfo("odd.py")
    info.compress_type = chance.choice([zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
    members.append((info, b"x" * 1000))


def _link(chance: Random, members: Members) -> None:
    info = zipfile.ZipInfo("link.py")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    members.append((info, b"/etc/passwd"))


_MEMBERS: list[Callable[[Random, Members], None]] = [
    _other_metadata, _other_wheel, _bad_path, _twice, _missing, _odd_compression, _link, _other_requirements,
    _other_place, _other_scripts,
]  # fmt: skip


# --- bytes that zip readers disagree about


# Fields of the first local header, of the first entry of the directory, and of its end, in which a changed bit says
# something else of the file. Times, attributes and versions are not among them.
_FIELDS = {
    b"PK\x03\x04": [*range(4), *range(8, 10), *range(14, 30)],
    b"PK\x01\x02": [*range(4), *range(10, 12), *range(16, 32), *range(42, 46)],
    b"PK\x05\x06": [*range(4), *range(8, 22)],
}


def _flipped(chance: Random, content: bytes) -> bytes:
    """A bit of what zip readers find their way by."""
    made = bytearray(content)
    mark = chance.choice(list(_FIELDS))
    place = content.find(mark) + chance.choice(_FIELDS[mark])
    if mark not in content or place >= len(content):  # it was cut already
        return content[:-1]
    made[place] ^= 1 << chance.randrange(8)
    return bytes(made)


def _cut(chance: Random, content: bytes) -> bytes:
    return content[: chance.randrange(len(content))]


def _in_front(chance: Random, content: bytes) -> bytes:
    return chance.choice([b"x" * 100, _zipped([(zipfile.ZipInfo("evil.py"), b"x")], sign=False)]) + content


def _behind(chance: Random, content: bytes) -> bytes:
    return content + chance.choice([b"x", bytes(1000), content])


def _many(chance: Random, content: bytes) -> bytes:
    """A directory that says that there are more members than there are."""
    end = content.rfind(b"PK\x05\x06")
    number = chance.choice((0, 1, 0xFFFF, 0x7FFF))
    return content[: end + 8] + struct.pack("<HH", number, number) + content[end + 12 :]


_BYTES: list[Callable[[Random, bytes], bytes]] = [_flipped, _cut, _in_front, _behind, _many]


# --- sdists


def broken_sdist(chance: Random) -> tuple[str, bytes]:
    """The name of an sdist, and bytes that are none."""
    return "good-2.0.tar.gz", chance.choice(_SDISTS)(chance)


def _tar(chance: Random) -> bytes:
    """A tar with a member that no sdist has."""
    buffer = io.BytesIO()
    style = chance.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
    with tarfile.open(fileobj=buffer, mode="w", format=style) as archive:
        for name, data in ((f"{TOP}/PKG-INFO", METADATA), (f"{TOP}/setup.py", b"")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        bad = tarfile.TarInfo(chance.choice([f"{TOP}/bad", f"{TOP}/a/b"]))
        bad.type = chance.choice([tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
        bad.linkname = chance.choice(["/etc/passwd", "../../../evil", f"../../../{TOP}x"])
        if chance.random() < 0.3:
            bad.type, bad.name = tarfile.REGTYPE, chance.choice(["../evil", "/evil", "other/x", f"{TOP}/../evil"])
        archive.addfile(bad)
    return gzip.compress(buffer.getvalue())


def _pax(chance: Random) -> bytes:
    """A pax header (POSIX.1-2001) that is made to be slow, or large, or no header."""
    key = chance.choice(
        [b"mtime", b"atime", b"size", b"uid", b"hdrcharset", b"path", b"GNU.sparse.map", b"GNU.sparse.size", b"x"]
    )
    value = chance.choice(
        [b"1" * chance.choice((10, 60_000, 500_000)), b"-1", b"1e999", b"1," * 5000, b"\xff", b"nan", b"1e+18", b"1."]
    )
    body = key + b"=" + value + b"\n"
    length = str(len(body) + 8).encode()
    record = chance.choice([length + b" " + body, b"9" * 30 + b" " + body, b"0 " + body, body, (b"6 a=\n" * 20_000)])
    info = tarfile.TarInfo("pax")
    info.type, info.size = chance.choice([tarfile.XHDTYPE, tarfile.XGLTYPE]), len(record)
    padded = record + bytes(-len(record) % 512)
    member = tarfile.TarInfo(f"{TOP}/PKG-INFO")
    return gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + padded + member.tobuf(tarfile.USTAR_FORMAT))


def _members(chance: Random) -> bytes:
    """Members by the ten thousand, in a few bytes."""
    block = tarfile.TarInfo(f"{TOP}/x").tobuf(tarfile.USTAR_FORMAT)
    return gzip.compress(block * chance.choice((1000, 20_000)), 1)


def _unbuildable(chance: Random) -> bytes:
    """An sdist that no installer knows how to build, or not all find the same in."""
    build = chance.choice(
        [b"[[[", b"# \xff\n", b"a=" + b"[" * 50_000, b"[build-system]\nrequires = 'a'\n", b"build-system = 5\n",
         b"[build-system]\nrequires = ['!!']\n", b"[project]\nname = 5\n",
         b"[build-system]\nrequires = []\nbackend-path = ['../../..']\n"]
    )  # fmt: skip
    bad = [[], [("pyproject.toml", build)], [("setup.py/x", b"")], [("setup.py", b""), ("\udcff", b"")]]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, data in (("PKG-INFO", METADATA), *chance.choice(bad)):
            info = tarfile.TarInfo(f"{TOP}/{path}")
            info.size = len(data)
            info.mtime = chance.choice([0, 0, -5])
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue())


def _no_tar(chance: Random) -> bytes:
    return chance.choice(
        [b"", b"\x1f\x8b", gzip.compress(b""), gzip.compress(chance.randbytes(2000)), b"PK\x05\x06", bytes(512)]
    )


_SDISTS: list[Callable[[Random], bytes]] = [_tar, _tar, _pax, _pax, _members, _no_tar, _unbuildable, _unbuildable]
