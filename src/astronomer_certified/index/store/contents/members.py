"""The paths in an archive -> one meaning for each, on every system and to every reader. Touches nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from astronomer_certified.errors import PublishError

# More than any distribution on the public index has, and few enough to look at each.
MEMBERS = 100_000

# An archive may unpack to so many bytes always, or to so many times its own size.
UNPACKED_ALWAYS = 256 << 20
UNPACKED_RATIO = 200

# What file systems take: bytes of one name, bytes of a path. No project is as deep.
_LONGEST_NAME = 255
_LONGEST_PATH = 4096
_DEEPEST = 128

# Names are shown on terminals, which act on these; those of C1 (0x80 to 0x9f) are escape sequences in one sign.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:")


class Unsound(PublishError):
    """An archive that some installer refuses, or that two of them would read differently; `what` says why."""


def refuse(member: str, why: str) -> Unsound:
    """The error for one member of an archive, by its name."""
    # `!a`: a name from a stranger goes to terminals and logs in ASCII, escaped.
    return Unsound(f"{member[:_LONGEST_NAME]!a} {why}")


def is_utf8(name: str) -> bool:
    """Whether a name was UTF-8 in its archive: of other bytes `tarfile` makes surrogates."""
    return name.isascii() or not _SURROGATE.search(name)


def refuse_bomb(unpacked: int, packed: int) -> None:
    """Raises `Unsound` for an archive of `packed` bytes that unpacks to more than an installer should be given."""
    allowed = max(UNPACKED_ALWAYS, packed * UNPACKED_RATIO)
    if unpacked > allowed:
        raise Unsound(f"it unpacks to more than the {allowed} bytes that an archive of its size may")


def refuse_crowd(members: int) -> None:
    """Raises `Unsound` for more members than an archive may have; asked before they are read."""
    if members > MEMBERS:
        raise Unsound(f"it has more than the {MEMBERS} members that an archive may have")


class Paths:
    """The paths of an archive, as they come. Raises `Unsound` for one that has two meanings, or comes twice."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def add(self, name: str, *, folder: bool) -> None:
        """The member is noted. Raises `Unsound` for a path with two meanings, and for a second file of that name in any
        spelling."""
        parts = _parts(name)
        key = _key(parts)
        # A folder may come twice, as some tools write it: unpacking it again changes nothing.
        if not folder and key in self._files:
            raise refuse(name, f"is in it more than once: tools differ in which they unpack (see {self._files[key]!a})")
        if folder:
            self._folders.setdefault(key, name)
        else:
            self._files[key] = name
        # From the innermost on, so that it ends at the first that is known: 100,000 members in 128 folders each would
        # else be 12 million steps.
        for length in range(len(parts) - 1, 0, -1):
            above = _key(parts[:length])
            if above in self._folders:
                break  # and so are those above it
            self._folders[above] = name

    def close(self) -> None:
        """All have come: none is a file and a folder. Raises `Unsound`."""
        # Only now: what a file is called may be made a folder by any member that comes later.
        for key in self._files.keys() & self._folders.keys():
            raise refuse(self._files[key], f"is a file and a folder (see {self._folders[key]!a})")


def _parts(name: str) -> list[str]:
    """The names that a path is made of; Unsound unless it is a plain one, below the folder that it is unpacked in."""
    if _CONTROL.search(name):
        raise refuse(name, "has a control character in its name")
    if not is_utf8(name):
        raise refuse(name, "is a name that is not UTF-8")
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or "\\" in name or ".." in parts or _DRIVE.match(name):
        raise refuse(name, "is a member outside of its folder")
    if "" in parts or "." in parts:
        raise refuse(name, "is not a plain path: readers differ in what they make of empty parts and of `.`")
    if len(parts) > _DEEPEST or _too_long(parts):
        raise refuse(name, "is a longer path than file systems take")
    return parts


def _too_long(parts: list[str]) -> bool:
    lengths = [len(part.encode()) for part in parts]  # in bytes, as file systems count
    # And one each for the slashes between them and the NUL at the end, which PATH_MAX counts.
    return max(lengths) > _LONGEST_NAME or sum(lengths) + len(parts) > _LONGEST_PATH


def _key(parts: Iterable[str]) -> str:
    """What two spellings have in common that are one file on some system: composed letters, dots and blanks at an end.

    Letters' case is left: projects do publish files that differ in nothing else.
    """
    # Windows drops dots and blanks at an end; macOS takes both forms of a composed letter for one.
    path = "/".join(part.rstrip(". ") or part for part in parts)
    return path if path.isascii() else unicodedata.normalize("NFC", path)
