"""One file and what its name claims -> what it says of itself, or Refused. In this process, however long it takes.

What comes from others is verified through `verifier`, which runs this in a child with limits.
"""

from __future__ import annotations

import struct
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.index.store.validation import ClaimedFile, Refused

from .fields import parsed
from .members import Unsound
from .requirements import check_requirements, fits
from .sdists import sdist_metadata
from .wheels import wheel_metadata

# What the standard library raises for bytes that were made to hurt: numbers and text that no archive has.
_UNREADABLE = (tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError, ValueError, OverflowError, struct.error)

# No project asks for more, and it is shown with each of its files.
_LONGEST_PYTHON = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a sound file says of itself."""

    metadata: bytes
    requires_python: str | None


def verify(path: Path, claimed: ClaimedFile, *, again: bool = False) -> Contents:
    """What `path` says of itself; Refused unless it is a whole archive that all readers read alike, and whose
    metadata agrees with its filename.

    With `again`, its bytes are known to be those that were verified before: RECORD's hashes are not computed anew.
    """
    if not fits(claimed.version):
        raise Refused(f"{claimed.filename} has a version with a larger number than every installer can keep")
    try:
        if claimed.wheel is None:
            metadata = sdist_metadata(path, claimed)
        else:
            metadata = wheel_metadata(path, claimed, again=again)
    except Unsound as err:
        raise Refused(
            f"{claimed.filename} is not a sound archive",
            details=[err.what, *err.details],
            hint="build the file again, with the usual tools, instead of changing it",
        ) from err
    except _UNREADABLE as err:
        raise Refused(
            f"{claimed.filename} is not a sound archive",
            details=[f"{type(err).__name__}: {err}"[:300]],
            hint="build the file again",
        ) from err
    # Parsed and not validated: old wheels have versions of metadata that were never standardised, like 2.0, and
    # installers take them.
    try:
        raw, unread = parsed(metadata)
    except Unsound as err:
        raise _refused(claimed, err) from err
    _compare(raw.get("name"), raw.get("version"), claimed)
    python = raw.get("requires_python")
    if python is not None and len(python) > _LONGEST_PYTHON:
        raise Refused(f"{claimed.filename} has a Requires-Python of more than {_LONGEST_PYTHON} characters")
    try:
        # An sdist's may be other ones once it is built (PEP 643), and so installers do not ask it.
        if claimed.wheel is not None:
            check_requirements(raw, unread)
    except Unsound as err:
        raise _refused(claimed, err) from err
    return Contents(metadata=metadata, requires_python=_requires_python(python))


def _refused(claimed: ClaimedFile, err: Unsound) -> Refused:
    return Refused(
        f"{claimed.filename} has metadata that is not taken",
        details=[err.what, *err.details],
        hint="correct what the project says of itself, and build the file again",
    )


def _compare(name: str | None, version: str | None, claimed: ClaimedFile) -> None:
    agree = False
    try:
        # No word may stand for a name that is not there: it could be that of a project.
        if name is not None and version is not None:
            # Compared as parsed, since 1.0 and 1.0.0 are one version (PEP 440).
            agree = canonicalize_name(name) == claimed.project and Version(version) == claimed.version
    except ValueError:  # InvalidName and InvalidVersion, and numbers with more digits than Python reads
        pass
    if not agree:
        raise Refused(
            f"{claimed.filename} holds the metadata of another distribution",
            details=[
                f"filename: {claimed.project} {claimed.version}",
                f"metadata: {(name or 'no name')[:200]} {(version or 'no version')[:200]}",
            ],
            hint="build the file again instead of renaming it",
        )


def _requires_python(text: str | None) -> str | None:
    """None also for what only tools of its time understood: each installer would pass over such a file, with a warning
    of its own."""
    try:
        return text if text is None else str(SpecifierSet(text)) and text.strip()
    except InvalidSpecifier:
        return None
