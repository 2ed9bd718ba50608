"""An sdist or wheel that somebody else made -> plain files in a folder. Refuses every member that is not that.

Stricter than PEP 706's `data` filter, which repairs absolute names silently and sets no limits.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import stat
import tarfile
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from astronomer_certified.errors import ArchiveError

MAX_MEMBERS = 100_000
MAX_BYTES = 2 * 1024**3
# Source trees compress about 1:5; a thousandfold is a bomb. Small archives of blank text are let through.
MAX_RATIO = 200
_RATIO_FLOOR = 64 * 1024**2

_BLOCK = 1024 * 1024


class _Gate:
    """Checks one member after the other; knows what the archive has asked for so far."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self._members = 0
        self._bytes = 0
        self._ceiling = min(MAX_BYTES, max(_RATIO_FLOOR, archive.stat().st_size * MAX_RATIO))
        self._seen: set[str] = set()

    def refuse(self, member: str, why: str) -> ArchiveError:
        return ArchiveError(
            f"{self.archive.name}: refused to unpack it",
            details=[f"member {member!r}: {why}"],
            hint="this is not an archive that upstream's tools make; do not use it",
        )

    def path(self, member: str) -> PurePosixPath:
        """The member's path, relative and below the folder it is unpacked in."""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise self.refuse(member, f"more than {MAX_MEMBERS} members")
        path = PurePosixPath(member)
        # Also as Windows writes such paths: no honest archive has them, and other programs would follow them.
        if path.is_absolute() or member.startswith("\\") or (len(member) > 1 and member[1] == ":"):
            raise self.refuse(member, "absolute path")
        if ".." in path.parts or "\\" in member:
            raise self.refuse(member, "path leads out of the archive")
        if "\0" in member or not path.parts:
            raise self.refuse(member, "not a file name")
        return path

    def file(self, member: str) -> PurePosixPath:
        """The path of a regular file, which must come once."""
        path = self.path(member)
        if str(path) in self._seen:
            raise self.refuse(member, "comes twice")
        self._seen.add(str(path))
        return path

    def grow(self, member: str, size: int) -> None:
        """Counts unpacked bytes as they come, whatever the member's header says."""
        self._bytes += size
        if self._bytes > self._ceiling:
            raise self.refuse(member, f"absurd size: unpacks to more than {self._ceiling // 1024**2} MiB")


def _write(gate: _Gate, member: str, target: Path, blocks: Iterator[bytes], *, executable: bool) -> None:
    # O_EXCL and O_NOFOLLOW: nothing that stands there already is written through.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(target, flags, 0o755 if executable else 0o644)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as err:
        raise gate.refuse(member, "collides with another member") from err
    with os.fdopen(handle, "wb") as stream:
        for block in blocks:
            gate.grow(member, len(block))
            stream.write(block)


def unpack_sdist(archive: Path, folder: Path) -> Path:
    """The one top folder of an sdist (PEP 625: NAME-VERSION.tar.gz; a .zip of old times), unpacked below `folder`.

    Links are refused unless they stay inside the archive, and then written as the file they mean: a patch must not
    write through a link. Raises `ArchiveError`.
    """
    gate = _Gate(archive)
    with _sound(archive):
        tops = _unpack_zip(gate, folder) if _is_zip(archive) else _unpack_tar(gate, folder)
    if len(tops) != 1:
        raise ArchiveError(f"{archive.name}: must hold one top folder, not {len(tops)}", details=sorted(tops)[:5])
    top = folder / tops.pop()
    if not top.is_dir():
        raise ArchiveError(f"{archive.name}: must hold one top folder with files in it", details=[top.name])
    return top


def unpack_wheel(archive: Path, folder: Path) -> Path:
    """`folder` itself, with the files of a wheel (PEP 427) in it. Raises `ArchiveError`."""
    with _sound(archive):
        _unpack_zip(_Gate(archive), folder)
    return folder


def sdist_files(archive: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The path of each file of an sdist, below its top folder, and a function that gives its first MiB.

    The function works until the next file is asked for. Raises `ArchiveError`.
    """
    with _sound(archive):
        for name, read in _zip_files(archive) if _is_zip(archive) else _tar_files(archive):
            yield PurePosixPath(*PurePosixPath(name).parts[1:]).as_posix(), functools.partial(_read, archive, read)


def _read(archive: Path, read: Callable[[], bytes]) -> bytes:
    # Called by whoever asked for the file: what goes wrong then does not pass through the generator.
    with _sound(archive):
        return read()


def build_requires(archive: Path) -> tuple[str, ...]:
    """What an sdist's pyproject.toml says under build-system.requires (PEP 518); empty without one.

    Raises `ArchiveError`.
    """
    for name, read in sdist_files(archive):
        if name == "pyproject.toml":
            content = read()
            try:
                stated = tomllib.loads(content.decode())
                return tuple(map(str, stated.get("build-system", {}).get("requires", ())))
            except (ValueError, AttributeError, TypeError) as err:  # not UTF-8, not TOML, or not PEP 518's shape
                raise ArchiveError(f"{archive.name}: its pyproject.toml cannot be read", details=[str(err)]) from err
    return ()


def _is_zip(archive: Path) -> bool:
    # By its name, as its kind was told: what a name promises and the bytes do not hold is refused when it is read.
    return archive.suffix in (".zip", ".whl")


@contextlib.contextmanager
def _sound(archive: Path) -> Iterator[None]:
    """A block in which an archive that is broken, or of a sort that nobody makes, is an `ArchiveError`."""
    what = {".zip": ".zip", ".whl": "wheel"}.get(archive.suffix, ".tar.gz")
    try:
        yield
    # RuntimeError: an encrypted member. NotImplementedError: a compression that zipfile does not know.
    except (
        tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError, OSError,
    ) as err:  # fmt: skip
        # gzip raises OSErrors of its own, which have no number. A member of a zip that claims to begin before the file
        # does makes seek(2) fail with EINVAL. With any other number it is the system that refuses.
        if isinstance(err, OSError) and err.errno not in (None, errno.EINVAL):
            raise
        raise ArchiveError(f"{archive.name}: not a sound {what}", details=[str(err)]) from err


def _tar_files(archive: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if member.isfile():

                def read(member: tarfile.TarInfo = member) -> bytes:
                    return next(_blocks(tar, member), b"")

                yield member.name, read


def _zip_files(archive: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            if not member.is_dir():

                def read(member: zipfile.ZipInfo = member) -> bytes:
                    with zipped.open(member) as stream:
                        return stream.read(_BLOCK)

                yield member.filename, read


def _blocks(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    stream = tar.extractfile(member)
    assert stream is not None  # isfile() members always have one
    return iter(lambda: stream.read(_BLOCK), b"")


def _unpack_tar(gate: _Gate, folder: Path) -> set[str]:
    """The names at the top of a .tar.gz, which is now unpacked below `folder`."""
    tops: set[str] = set()
    with tarfile.open(gate.archive, "r:gz") as tar:
        links: list[tuple[tarfile.TarInfo, PurePosixPath]] = []
        for member in tar:
            if member.isdir():
                tops.add(gate.path(member.name).parts[0])
                continue
            path = gate.file(member.name)
            tops.add(path.parts[0])
            if member.issym() or member.islnk():
                links.append((member, path))
            elif not member.isfile():
                raise gate.refuse(member.name, "neither file, folder nor link")
            elif member.size > MAX_BYTES:
                raise gate.refuse(member.name, f"absurd size: {member.size} bytes")
            else:
                executable = bool(member.mode & stat.S_IXUSR)
                _write(gate, member.name, folder / path, _blocks(tar, member), executable=executable)
        # Last, as the file that a link means may come later in the archive.
        for member, path in links:
            _follow(gate, member, path, folder)
    return tops


def _follow(gate: _Gate, member: tarfile.TarInfo, path: PurePosixPath, folder: Path) -> None:
    # A symbolic link counts from its own folder, a hard link from the root of the archive (tar(5)).
    base = path.parent if member.issym() else PurePosixPath()
    meant = os.path.normpath(base / member.linkname)
    if member.linkname.startswith("/") or meant.startswith(".."):
        raise gate.refuse(member.name, f"link out of the archive: {member.linkname!r}")
    source = folder / meant
    if not source.is_file() or source.is_symlink():
        raise gate.refuse(member.name, f"link to what is not a file of the archive: {member.linkname!r}")
    executable = bool(source.stat().st_mode & stat.S_IXUSR)
    _write(gate, member.name, folder / path, iter([source.read_bytes()]), executable=executable)


def _unpack_zip(gate: _Gate, folder: Path) -> set[str]:
    """The names at the top of a zip, which is now unpacked below `folder`."""
    tops: set[str] = set()
    with zipfile.ZipFile(gate.archive) as zipped:
        for member in zipped.infolist():
            mode = member.external_attr >> 16
            if member.is_dir():
                tops.add(gate.path(member.filename).parts[0])
                continue
            # 0: whoever made the zip wrote no Unix modes into it.
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise gate.refuse(member.filename, "not a regular file")
            path = gate.file(member.filename)
            tops.add(path.parts[0])
            with zipped.open(member) as stream:
                blocks = iter(lambda stream=stream: stream.read(_BLOCK), b"")  # type: ignore[misc]
                _write(gate, member.filename, folder / path, blocks, executable=bool(mode & stat.S_IXUSR))
    return tops
