"""A stream of bytes -> a published file in one flat folder, whole and for ever, and the record that says so.

    packages/*.whl, *.tar.gz           the files, as pypiserver keeps them
    packages/.records/projects/*.json  one record for each project: what is served, and nothing else is
    packages/.records/metadata/        each wheel's METADATA (PEP 658)
    packages/.records/provenance/      what signed uploads came with (PEP 740)
    packages/.records/names            the projects, in the order of their first file; made from the records
    packages/.incoming/                what is being written; on the same file system

A file is written to `.incoming/`, checked, synced, and renamed to its name; then its project's record is
replaced by rename, which is the instant of publication. A crash leaves the index as before or as after, a race has
one winner, and nothing that was published can change. Several processes may share a store: they take turns by
project, and readers take no lock. A copy of the folder, made at any time, is a store.
"""

from __future__ import annotations

import difflib
import errno
import fcntl
import hashlib
import os
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Self

from packaging.utils import NormalizedName
from packaging.version import Version

from astronomer_certified.effects.disk import put
from astronomer_certified.errors import PublishError

from . import incoming, reading, validation
from .contents.verification import Contents
from .incoming import Upload
from .reading import regular, whole
from .records import FileRecord, ProjectRecord, timestamp
from .validation import ClaimedFile, Refused
from .verifier import Verifier

__all__ = ["NAMES", "NameTaken", "ReadOnly", "Store", "Upload", "regular", "whole"]

# Projects share this many locks, so that uploads to different ones seldom wait for each other.
_LOCKS = 64

# Whose turn it is to change the list of names.
NAMES = "names"

# What the system says of a store that nobody, or not this user, may write to.
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class NameTaken(Refused):
    """The name is published already, with other bytes."""


class ReadOnly(PublishError):
    """The store can be read only, here or by this user."""


class Store:
    """A folder of published files. Everything here is safe at any time, from any thread and process."""

    def __init__(self, root: Path, *, verifier: Verifier | None = None) -> None:
        self.root = root.absolute()
        self.verifier = verifier or Verifier()
        self.records = self.root / ".records"
        self.incoming = self.root / ".incoming"
        self.names_file = self.records / "names"
        self.read_only = False
        """Whether nothing can be published here: a copy on a disk that is mounted so, or of another user."""

    @classmethod
    def open(cls, root: Path, *, reading: bool = False) -> Self:
        """The store in `root`: made if missing, known to be writable, and free of what killed writers left.

        For who is `reading` only, a store that is there may be read-only as well; its `read_only` says so. Raises
        PublishError for a folder that can be no store.
        """
        store = cls(root)
        try:
            for folder in ("projects", "metadata", "provenance", "locks"):
                (store.records / folder).mkdir(parents=True, exist_ok=True)
            store.names_file.touch()
            with store.partial():
                pass  # what can be written there can be published
            store.sweep()
        except OSError as err:
            if reading and err.errno in _READ_ONLY and os.access(store.names_file, os.R_OK):
                store.read_only = True
                return store
            raise PublishError(
                f"{root} cannot be the store of an index",
                details=[str(err)],
                hint="name a folder that this user may write to",
            ) from err
        return store

    # --- where things are

    def file(self, filename: str) -> Path:
        """Where a file of that name is, or would be, published."""
        return self.root / filename

    def metadata(self, filename: str) -> Path:
        """Where the METADATA of a wheel lies (PEP 658)."""
        return self.records / "metadata" / filename

    def provenance(self, filename: str) -> Path:
        """Where the provenance object of a file lies (PEP 740)."""
        return self.records / "provenance" / filename

    def record_file(self, project: NormalizedName) -> Path:
        """Where the record of a project lies."""
        return self.records / "projects" / f"{project}.json"

    # --- reading

    def project(self, name: NormalizedName) -> ProjectRecord | None:
        """The project as it is now; None when nothing was ever published under the name. PublishError for a record that
        cannot be read, in whatever way."""
        return reading.record(self.record_file(name), name)

    def names(self) -> list[NormalizedName]:
        """Every project that ever had a file here, in alphabetical order. OSError when the list cannot be read."""
        return reading.names(self.names_file)

    def projects(self) -> Iterator[ProjectRecord]:
        """The record of every project. Raises `PublishError` for one that cannot be read."""
        for name in self.names():
            if (record := self.project(name)) is not None:
                yield record

    # --- writing

    def add(self, upload: Upload, stream: BinaryIO) -> bool:
        """True when the file is new, or whole again; False when it is published already with the same bytes, and they
        are still there.

        Raises Refused for what is not a sound distribution, not of the announced digests, or larger than the upload
        may be; NameTaken when the name was ever published with other bytes; ReadOnly; OSError when the disk is full.
        """
        claimed = validation.parse(upload.filename)
        with self.partial() as (file, path):
            received = incoming.copy(stream, file, upload)
            # Before what costs: a release that is published again is not verified again.
            if self._is_whole(claimed, received):
                return False
            contents = self.verifier.verify(path, claimed)
            with self._locked(claimed.project):
                # `_publish` asks again what was asked above: until now this writer had no lock, since verifying may
                # take a minute.
                return self._publish(upload, claimed, contents, path, received)

    def adopt(self, filename: str) -> bool:
        """True when a file that lies in the folder without a record is published now; False when it has one already.

        It is checked like an upload: Refused for what is not sound, or is no file, NameTaken for another spelling of a
        published one.
        """
        claimed = validation.parse(filename)
        path = self.file(filename)
        try:
            with regular(path) as stream:
                there = os.fstat(stream.fileno())
                received = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as err:
            why = "it is a symbolic link" if err.errno == errno.ELOOP else err.strerror
            raise Refused(f"{filename} is not taken: {why}", hint="put the file itself there") from err
        contents = self.verifier.verify(path, claimed)
        with self._locked(claimed.project):
            record = self.project(claimed.project) or ProjectRecord(name=claimed.project)
            # Another process, which starts at the same time, was faster.
            if record.find(filename) is not None:
                return False
            _refuse_other_spelling(record, claimed)
            upload = Upload(filename=filename, uploader="adopted")
            fresh = _describe(upload, claimed, contents, received, there)
            self._keep(record, fresh, contents, upload)
        return True

    def change(self, name: NormalizedName, change: Callable[[ProjectRecord], ProjectRecord]) -> ProjectRecord:
        """The project's record after `change`, which gets the one before and may raise. PublishError when there is no
        such project."""
        with self._locked(name):
            record = self.project(name)
            if record is None:
                near = difflib.get_close_matches(name, self.names(), 3)
                raise PublishError(
                    f"{name} is not published here",
                    hint=f"did you mean {' or '.join(near)}?" if near else "the front page of the index lists what is",
                )
            changed = change(record)
            if changed != record:
                self._write_record(changed)
            return changed

    def touch(self, name: NormalizedName) -> None:
        """What was made of the project's record is made anew: something beside it has changed."""
        with self._locked(name):
            if (record := self.project(name)) is not None:
                self._write_record(record)

    def _publish(self, upload: Upload, claimed: ClaimedFile, contents: Contents, path: Path, received: str) -> bool:
        """The verified file at `path` gets its name and its record; the project's lock is held."""
        record = self.project(claimed.project) or ProjectRecord(name=claimed.project)
        known = record.find(claimed.filename)
        if known is not None and known.sha256 != received:
            raise _taken(claimed.filename, known.sha256, received)
        if known is not None and self._has(known):
            return False
        # New files only: the right bytes of a damaged one are welcome whatever the status.
        if known is None and not record.status.takes_uploads:
            raise Refused(
                f"{record.name} is {record.status} and takes no files",
                details=[record.reason] if record.reason else [],
                hint=f"certified index status {record.name} active",
            )
        _refuse_other_spelling(record, claimed)
        if known is not None:
            # The right bytes of a file that was found damaged: it is whole again, as old and as yanked as it was.
            fresh = replace(known, withheld=None)
        else:
            fresh = _describe(upload, claimed, contents, received, path.stat())
        # What lies there without a record, or damaged, is no published file: nobody was ever given it.
        put(path, self.file(claimed.filename))
        try:
            self._keep(record, fresh, contents, upload)
        except OSError:
            if known is None and not self._is_listed(claimed):
                # Or the next start would find it without a record, and publish what was refused.
                self.file(claimed.filename).unlink(missing_ok=True)
            raise
        return True

    def _keep(self, record: ProjectRecord, fresh: FileRecord, contents: Contents, upload: Upload) -> None:
        # All that a record speaks of is durable before the record is.
        if fresh.metadata_sha256 is not None:
            self.write(self.metadata(fresh.filename), contents.metadata)
        if fresh.provenance_sha256 is not None and upload.provenance is not None:
            self.write(self.provenance(fresh.filename), upload.provenance)
        self._write_record(record.holding(fresh))
        if not record.files:
            # After the record, so that every name that is listed has a page; `integrity` adds one that a crash left
            # out.
            self._append_name(record.name)

    def _write_record(self, record: ProjectRecord) -> None:
        """Its modification time grows with each change, so it tells any two states of a project apart."""
        target = self.record_file(record.name)
        now = time.time_ns()
        if target.exists():
            now = max(now, target.stat().st_mtime_ns + 1000)
        self.write(target, record.to_json(), mtime_ns=now)

    def _append_name(self, name: NormalizedName) -> None:
        # Opened in its turn: the list may just be replaced by another one.
        with self.turn(NAMES), self.names_file.open("ab") as file:
            file.write(f"{name}\n".encode())  # one write(2) of a short line: whole or not there
            file.flush()
            # The clock of file systems is coarse: without this, two lists made within 4 ms would look the same.
            os.utime(file.fileno(), ns=(time.time_ns(), time.time_ns()))
            os.fsync(file.fileno())

    def write(self, target: Path, content: bytes, *, mtime_ns: int | None = None) -> None:
        """`target` holds exactly `content`, durably; a reader never sees less."""
        with self.partial() as (file, path):
            file.write(content)
            file.flush()
            put(path, target, mtime_ns=mtime_ns)

    def _is_whole(self, claimed: ClaimedFile, received: str) -> bool:
        record = self.project(claimed.project)
        known = record.find(claimed.filename) if record else None
        if known is not None and known.sha256 != received:
            raise _taken(claimed.filename, known.sha256, received)
        return known is not None and self._has(known)

    def _is_listed(self, claimed: ClaimedFile) -> bool:
        """Whether the record speaks of it already: then it is published, whatever went wrong afterwards."""
        try:
            record = self.project(claimed.project)
        except (OSError, PublishError):
            return True  # nobody knows, and nothing that may be published is removed
        return record is not None and record.find(claimed.filename) is not None

    def _has(self, known: FileRecord) -> bool:
        """Whether a file is served, and is what its record says: it may have been damaged since."""
        digest = known.metadata_sha256
        return (
            known.withheld is None
            and whole(self.file(known.filename), known.sha256)
            and (digest is None or whole(self.metadata(known.filename), digest))
        )

    # --- turns, and what is being written

    @contextmanager
    def _locked(self, project: NormalizedName) -> Iterator[None]:
        if self.read_only:
            raise ReadOnly(f"{self.root} is read-only", hint="publish where it can be written")
        # crc32 and not hash(), whose values for text are others in each process.
        with self.turn(str(zlib.crc32(project.encode()) % _LOCKS)):
            yield

    @contextmanager
    def turn(self, what: str) -> Iterator[None]:
        """A block that one thread of all processes is in at a time, for each `what`."""
        # flock(2) belongs to the open file: it holds between threads too, and the kernel drops it after kill -9.
        with (self.records / "locks" / what).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def partial(self) -> Iterator[tuple[BinaryIO, Path]]:
        """An open file in `.incoming/` and its path: removed at the end, unless it was renamed by then."""
        if self.read_only:
            raise ReadOnly(f"{self.root} is read-only", hint="publish where it can be written")
        self.incoming.mkdir(exist_ok=True)
        while True:
            descriptor, name = tempfile.mkstemp(suffix=".part", dir=self.incoming)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                break
            os.close(descriptor)  # Another process swept it between its making and its locking.
        path = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            try:
                yield file, path
            finally:
                path.unlink(missing_ok=True)

    def sweep(self) -> tuple[str, ...]:
        """The names of the partial files that were removed: those whose writer is gone."""
        swept = []
        for path in sorted(self.incoming.iterdir()):
            try:
                # No pipe, whose opening would wait for a writer, and no folder.
                with regular(path) as file:
                    # Its writer holds this lock while it lives; the kernel drops it even after kill -9.
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink(missing_ok=True)
                    swept.append(path.name)
            except (BlockingIOError, FileNotFoundError):
                continue
            except OSError as err:
                if err.errno not in (errno.EINVAL, errno.ELOOP, errno.EISDIR):
                    raise
        return tuple(swept)


def _describe(
    upload: Upload, claimed: ClaimedFile, contents: Contents, sha256: str, there: os.stat_result
) -> FileRecord:
    """The record of a file that was written a moment ago, or lies there already."""
    is_wheel = claimed.wheel is not None
    return FileRecord(
        filename=claimed.filename,
        version=str(claimed.version),
        sha256=sha256,
        size=there.st_size,
        uploaded=timestamp(there.st_mtime),
        uploader=upload.uploader,
        requires_python=contents.requires_python,
        # An sdist's may say other things once it is built (PEP 643), so only a wheel's is promised.
        metadata_sha256=hashlib.sha256(contents.metadata).hexdigest() if is_wheel else None,
        provenance_sha256=hashlib.sha256(upload.provenance).hexdigest() if upload.provenance else None,
    )


def _taken(filename: str, published: str, received: str) -> NameTaken:
    return NameTaken(
        f"{filename} is published already, with other bytes",
        details=[f"published sha256 {published}", f"received  sha256 {received}"],
        hint="a published file never changes: publish under a new version, revision or build tag",
    )


def _refuse_other_spelling(record: ProjectRecord, claimed: ClaimedFile) -> None:
    identity = validation.identity(claimed.filename)
    for known in record.files:
        # The version first: it is cheaper to compare, and seldom the same.
        if Version(known.version) != claimed.version or known.filename == claimed.filename:
            continue
        if validation.identity(known.filename) == identity:
            raise NameTaken(
                f"{claimed.filename} is published already as {known.filename}",
                hint="pip could not tell the two apart: keep the published spelling",
            )
