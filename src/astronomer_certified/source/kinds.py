"""The kinds of source that a patched distribution can be made from. A further kind is one more class in `KINDS`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from astronomer_certified.artifacts import SourceKind
from astronomer_certified.formats import archives


class Sdist(SourceKind):
    """A source distribution (PEP 625), which its own backend builds."""

    name = "sdist"
    built = True

    def holds(self, filename: str) -> bool:
        """Whether it is named like one: NAME-VERSION.tar.gz, or a zip of old times."""
        return filename.endswith((".tar.gz", ".zip"))

    def unpack(self, archive: Path, folder: Path) -> Path:
        """Its one top folder, below `folder`. Raises `ArchiveError`."""
        return archives.unpack_sdist(archive, folder)


class PublishedWheel(SourceKind):
    """A wheel (PEP 427) of which upstream published no sdist: nothing is built, its version is stamped anew."""

    name = "wheel"
    built = False

    def holds(self, filename: str) -> bool:
        """Whether it is named like one."""
        return filename.endswith(".whl")

    def unpack(self, archive: Path, folder: Path) -> Path:
        """`folder`, which holds its files. Raises `ArchiveError`."""
        return archives.unpack_wheel(archive, folder)


SDIST: SourceKind = Sdist()
WHEEL: SourceKind = PublishedWheel()

KINDS: Mapping[str, SourceKind] = {kind.name: kind for kind in (SDIST, WHEEL)}
"""By the word that a manifest has for each. Where an upstream version has several, the first is the better source."""
