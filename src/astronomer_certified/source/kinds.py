"""The kinds of source that a patched distribution can be made from. A further kind is one more class in `KINDS`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol

from astronomer_certified.formats import archives


class SourceKind(Protocol):
    """What kind of archive a patched distribution is made from."""

    name: ClassVar[str]
    """The word for it in a manifest."""
    built: ClassVar[bool]
    """Whether a build backend makes the wheel of it. Then the manifest states what it is built with, where the version
    stands in it, and upstream's own wheel to compare with."""

    def holds(self, filename: str) -> bool:
        """Whether a file of that name may be of this kind."""

    def unpack(self, archive: Path, folder: Path) -> Path:
        """The folder of the source, at or below `folder`. Raises `ArchiveError`."""


class Sdist:
    """A source distribution (PEP 625), which its own backend builds."""

    name: ClassVar[str] = "sdist"
    built: ClassVar[bool] = True

    def holds(self, filename: str) -> bool:
        """Whether it is named like one: NAME-VERSION.tar.gz, or a zip of old times."""
        return filename.endswith((".tar.gz", ".zip"))

    def unpack(self, archive: Path, folder: Path) -> Path:
        """Its one top folder, below `folder`. Raises `ArchiveError`."""
        return archives.unpack_sdist(archive, folder)


class PublishedWheel:
    """A wheel (PEP 427) of which upstream published no sdist: nothing is built, its version is stamped anew."""

    name: ClassVar[str] = "wheel"
    built: ClassVar[bool] = False

    def holds(self, filename: str) -> bool:
        """Whether it is named like one."""
        return filename.endswith(".whl")

    def unpack(self, archive: Path, folder: Path) -> Path:
        """`folder`, which holds its files. Raises `ArchiveError`."""
        return archives.unpack_wheel(archive, folder)


_KINDS: tuple[SourceKind, ...] = (Sdist(), PublishedWheel())

# By the word that a manifest has for each. Where an upstream version has several, the first is the better source.
KINDS: Mapping[str, SourceKind] = {kind.name: kind for kind in _KINDS}
