"""What constraints/native.toml states of a C library: where its source is, how it is made, what links it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A file of a Debian mirror: `path` is below the mirror's root, as in pool/main/o/openssl/NAME."""

    path: str
    sha256: str

    @property
    def filename(self) -> str:
        """Its plain name."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class LibrarySource:
    """One version of a library that will do: an archive, and what of Debian's patches is applied to it."""

    version: str
    archive: Archive
    patches_archive: Archive | None
    patches: tuple[str, ...]

    @property
    def archives(self) -> tuple[Archive, ...]:
        """All files that it consists of."""
        return (self.archive, self.patches_archive) if self.patches_archive else (self.archive,)


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeLibrary:
    """One C library. Of its `sources` the first that can be had is made."""

    name: str
    why: str
    licence: str
    licence_files: tuple[str, ...]
    needs: tuple[str, ...]
    programs: tuple[str, ...]
    folder: str
    own_patches: tuple[str, ...]
    commands: tuple[str, ...]
    links: tuple[str, ...]
    system_links: tuple[str, ...]
    include: str
    config_program: str
    config_version: str
    sources: tuple[LibrarySource, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a build of one project needs beyond its era's build requirements.

    `links` names C libraries of constraints/native.toml; `build` is the build number of its wheels (PEP 427).
    """

    compiled: bool
    links: tuple[str, ...]
    build: int


def with_needs(names: Iterable[str], libraries: Mapping[str, NativeLibrary]) -> tuple[NativeLibrary, ...]:
    """Those libraries and all that they need, each after what it needs. KeyError for a name that is not there."""
    found: dict[str, NativeLibrary] = {}

    def add(name: str) -> None:
        if name not in found:
            for need in libraries[name].needs:
                add(need)
            found[name] = libraries[name]

    for name in names:
        add(name)
    return tuple(found.values())
