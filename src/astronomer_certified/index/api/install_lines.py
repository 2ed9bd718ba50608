"""A project's record -> what a person types to install it, quoted for a shell. Touches nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.version import Version

from astronomer_certified.index.store.records import FileRecord, ProjectRecord

from .notes import Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """The same for each installer; pasted as it is, a shell runs it."""

    pip: str
    uv: str

    @classmethod
    def of(cls, requirement: str, simple: str) -> Install:
        """The lines for a requirement from the index at `simple`; extras and epochs mean things to shells."""
        wanted, url = shlex.quote(requirement), shlex.quote(simple)
        return cls(
            pip=f"pip install --index-url {url} {wanted}",
            uv=f"uv pip install --index-url {url} {wanted}",
        )


def recommended(record: ProjectRecord) -> FileRecord | None:
    """A file of what may be recommended: of the newest final version, and not yanked; None when there is none."""
    # As pip chooses by itself: no prerelease (PEP 440), nothing yanked (PEP 592). Backwards is newest first.
    final = (file for file in reversed(record.served) if not Version(file.version).is_prerelease)
    return next((file for file in final if file.yanked is None), None)


def shown_version(record: ProjectRecord) -> str:
    """The version that a project's page is about: the one to install, or the newest; empty when there is none."""
    newest = recommended(record)
    if newest is not None:
        return newest.version
    # Of a quarantined project nothing is served, and yet its page says what became of it.
    files = record.served or record.files
    return files[-1].version if files else ""


def requirement(project: str, version: str, known: Mapping[str, Note]) -> str:
    """What asks for the version: the certified wheel's project says with which extras it was tried."""
    if (note := known.get(version)) is not None and note.requirement:
        return note.requirement
    return f"{project}=={version}"
