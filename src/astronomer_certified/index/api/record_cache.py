"""Records as they were last read, each with its files by name. From any thread."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

from astronomer_certified.index.store.records import FileRecord, ProjectRecord
from astronomer_certified.index.store.store import Store

# Files of the records that are kept: some 40 MB. An installer asks for a file and its metadata one after the other, and
# several ask for those of several projects in turn.
_FILES = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What tells two states of a file of the store apart, and how long its reading takes."""

    stamp: int
    """When it was last changed, in nanoseconds since 1970; 0 when it is not there."""
    size: int = 0
    """In bytes."""

    @classmethod
    def of(cls, path: Path | str) -> State:
        """The state that the file is in now."""
        try:
            there = os.stat(path)  # noqa: PTH116  half the time of Path.stat
        except FileNotFoundError:
            return cls(stamp=0)
        return cls(stamp=there.st_mtime_ns, size=there.st_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRecord:
    """A record, and its files by their names."""

    stamp: int
    record: ProjectRecord
    files: Mapping[str, FileRecord]


class RecordCache:
    """The records of a store. What was not asked for longest goes first."""

    def __init__(self, store: Store, limit: int = _FILES) -> None:
        self._store = store
        self._limit = limit
        self._files = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[NormalizedName, KnownRecord] = OrderedDict()

    def known(self, project: NormalizedName, stamp: int) -> KnownRecord | None:
        """The record in the state of that time; None when it has to be read."""
        with self._lock:
            found = self._kept.get(project)
            if found is None or found.stamp != stamp:
                return None
            self._kept.move_to_end(project)
            return found

    def read(self, project: NormalizedName, stamp: int) -> KnownRecord | None:
        """The record, read where it is not known in the state of that time; None when there is none. PublishError for
        one that cannot be read."""
        if (found := self.known(project, stamp)) is not None:
            return found
        record = self._store.project(project)
        if record is None:
            return None
        found = KnownRecord(stamp=stamp, record=record, files={file.filename: file for file in record.files})
        with self._lock:
            before = self._kept.get(project)
            self._files += len(found.files) - (len(before.files) if before is not None else 0)
            self._kept[project] = found
            self._kept.move_to_end(project)
            while self._files > self._limit and len(self._kept) > 1:
                self._files -= len(self._kept.popitem(last=False)[1].files)
        return found
