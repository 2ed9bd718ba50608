"""JSON bytes <-> what the index knows of a project and its files. Touches nothing.

A record is the only thing that makes a file visible; pages, lists and exports are all rendered from it. It also
remembers what is no longer served, so that a published name never comes back with other bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from typing import Any, Self

from packaging.utils import NormalizedName
from packaging.version import InvalidVersion, Version

from astronomer_certified.errors import PublishError

# The version of these files. A record of a later one is refused rather than misread.
_FORMAT = 1

# They become paths and lines of pages: nothing that means something else there.
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")

# Seconds since 1970, of the times that can be written so and read everywhere: from 1970 to 9999.
_EARLIEST, _LATEST = 0.0, 253402300799.0


class Status(StrEnum):
    """What becomes of a project, by PEP 792."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"
    DEPRECATED = "deprecated"

    @property
    def takes_uploads(self) -> bool:
        """Whether files may still be added to the project."""
        # PEP 792: archived and quarantined projects get no more files; deprecated ones are only advised against.
        return self in (Status.ACTIVE, Status.DEPRECATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """A published file. `uploaded` is the publication date, UTC, as PEP 700 writes it."""

    filename: str
    version: str
    sha256: str
    size: int
    uploaded: str
    uploader: str
    requires_python: str | None = None
    metadata_sha256: str | None = None
    """Of the wheel's METADATA, which is then served beside it (PEP 658); None for sdists."""
    provenance_sha256: str | None = None
    """Of the provenance object (PEP 740) that came with the upload."""
    yanked: str | None = None
    """The reason, perhaps empty; None when it is not yanked (PEP 592)."""
    withheld: str | None = None
    """Why the file is not served: its bytes are damaged or gone. None for a file that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRecord:
    """Everything ever published under one name; `files` are in the order of their versions."""

    name: NormalizedName
    files: tuple[FileRecord, ...] = ()
    status: Status = Status.ACTIVE
    reason: str | None = None

    @property
    def served(self) -> tuple[FileRecord, ...]:
        """What installers may have: nothing of a quarantined project (PEP 792), nothing damaged."""
        return tuple(file for file in self.files if self.serves(file))

    def serves(self, file: FileRecord) -> bool:
        """Whether installers may have this file of it."""
        return self.status is not Status.QUARANTINED and file.withheld is None

    def find(self, filename: str) -> FileRecord | None:
        """The record of a file; None when it was never published."""
        return next((file for file in self.files if file.filename == filename), None)

    def holding(self, file: FileRecord) -> Self:
        """This record with `file` in it, in place of one of the same name."""
        others = [known for known in self.files if known.filename != file.filename]
        return replace(self, files=_in_order([*others, file]))

    def to_json(self) -> bytes:
        """The bytes of its record file."""
        values = {
            "format": _FORMAT,
            "name": self.name,
            "status": self.status.value,
            "reason": self.reason,
            "files": [_plain(file) for file in self.files],
        }
        return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, content: bytes, name: NormalizedName | None = None) -> Self:
        """The record; PublishError when it is none, so that nothing is served from a guess.

        With a `name`, it is a store's own record of that project, and says what a store writes. The proxy keeps
        records of upstream, too, which may have no size, no time, or another version than there can be here.
        """
        try:
            values = json.loads(content.decode("utf-8"))
            if values["format"] != _FORMAT:
                raise ValueError(f"format {values['format']}, and this program writes {_FORMAT}")
            record = cls(
                name=_text("name", values["name"]),
                # One with a field that is unknown here, too: that would be lost when the record is written again.
                files=tuple(_checked(FileRecord(**file)) for file in values["files"]),
                status=Status(values["status"]),
                reason=None if values["reason"] is None else _text("reason", values["reason"]),
            )
            # JSON can say half of a character, which no page could be made of. We write none in that form.
            if b"\\u" in content:
                record.to_json()
            if name is not None:
                record._check(name)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
            raise PublishError(
                "a record of the index cannot be read",
                details=[f"{type(err).__name__}: {err!s:.300}".encode("ascii", "backslashreplace").decode()],
                hint="restore it from a backup; the files themselves are untouched",
            ) from err
        return record

    def _check(self, name: NormalizedName) -> None:
        """Raises ValueError unless it is what a store writes of the project."""
        if self.name != name:
            raise ValueError(f"it is of {self.name}")
        for file in self.files:
            if not _FILENAME.fullmatch(file.filename) or not _is_version(file.version) or file.size < 0:
                raise ValueError(f"{file.filename} has no name, version or size that a file can have")
            if not _TIME.fullmatch(file.uploaded):
                raise ValueError(f"{file.uploaded} is no time as it is written here")
            datetime.fromisoformat(file.uploaded)
            for digest in (file.sha256, file.metadata_sha256, file.provenance_sha256):
                if digest is not None and not _SHA256.fullmatch(digest):
                    raise ValueError(f"{digest} is no sha256")


def _checked(file: FileRecord) -> FileRecord:
    _check_types(tuple(map(type, _VALUES(file))))
    return file


# Of the few combinations that there are: asked by the ten thousand when an index starts.
@lru_cache(256)
def _check_types(types: tuple[type, ...]) -> None:
    for name, kind in zip(_FIELDS, types, strict=True):
        if kind is not (int if name == "size" else str) and not (name in _OPTIONAL and kind is type(None)):
            raise ValueError(f"{name} is no {'number' if name == 'size' else 'text'}")


def _text(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value


@lru_cache(65536)
def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def timestamp(seconds: float) -> str:
    """As PEP 700 writes a time: UTC, microseconds, Z. A time that no clock can have had, of a file from a broken
    archive, becomes the next that one can."""
    seconds = min(max(seconds, _EARLIEST), _LATEST)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _plain(file: FileRecord) -> dict[str, Any]:
    return {name: value for name in _FIELDS if (value := getattr(file, name)) is not None}


def _in_order(files: Iterable[FileRecord]) -> tuple[FileRecord, ...]:
    # Sorted when written, which is seldom: pages and recommendations rely on the order, and read often.
    return tuple(sorted(files, key=lambda file: (Version(file.version), file.filename)))


_FIELDS = tuple(field.name for field in fields(FileRecord))
_VALUES = attrgetter(*_FIELDS)
_OPTIONAL = frozenset(field.name for field in fields(FileRecord) if field.default is None)
