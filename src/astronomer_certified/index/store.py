"""A stream of bytes -> a published file in one flat folder, whole and for ever.

A file is written to `.incoming/`, synced, checked, and then hard-linked to its name. The link either makes
the name or fails because the name is there, so a crash leaves the folder as before or as after, a race has
one winner, and nothing that is published can change. Several processes may share a folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from packaging.utils import NormalizedName

from astronomer_certified.errors import PublishError

from . import distributions
from .distributions import Distribution, Refused

_INCOMING = ".incoming"
"""Beside the published files, so on their file system; its dot keeps it out of every listing."""

_CHUNK = 1 << 20

_SETTLED_NS = 2_000_000_000
"""A folder changed more recently may change again within one tick of the file system's clock, so its
modification time cannot vouch for a listing yet. Git calls such files racy."""


class NameTaken(Refused):
    """The name is published already, with other bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    changed_ns: int
    projects: Mapping[NormalizedName, tuple[Distribution, ...]]


class Store:
    """A folder of published files. Reading is safe at any time and from any thread; so is `add`."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._naming = threading.Lock()
        self._listing: _Listing | None = None
        self._parsed: dict[str, Distribution | None] = {}
        self._digests: dict[str, tuple[tuple[int, int, int], str]] = {}

    @classmethod
    def open(cls, root: Path) -> Self:
        """The store in `root`, made if missing, known to be writable and free of what killed writers left."""
        store = cls(root)
        try:
            store.root.mkdir(parents=True, exist_ok=True)
            with store._partial() as (_, path):
                probe = path.with_suffix(".linked")
                probe.hardlink_to(path)
                probe.unlink()
            store.sweep()
        except OSError as err:
            raise PublishError(
                f"{root} cannot be the store of an index",
                details=[str(err)],
                hint="name a folder that this user may write to, on a file system with hard links",
            ) from err
        return store

    def sweep(self) -> tuple[str, ...]:
        """The names of the partial files that were removed: those whose writer is gone."""
        swept = []
        for path in sorted((self.root / _INCOMING).iterdir()):
            with path.open("rb") as file:
                try:
                    # Its writer holds this lock while it lives; the kernel drops it even after kill -9.
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                path.unlink(missing_ok=True)
                swept.append(path.name)
        return tuple(swept)

    def add(self, filename: str, stream: BinaryIO, *, sha256: str | None = None) -> bool:
        """Whether the file is new; False when it is published already with the same bytes.

        Raises Refused for what is not a sound distribution or not of the announced `sha256`, and NameTaken
        when the name is published with other bytes.
        """
        claimed = distributions.parse(filename)
        with self._partial() as (file, path):
            received = _copy(stream, file)
            if sha256 and sha256 != received:
                raise Refused(
                    f"{filename} was damaged on its way",
                    details=[f"announced sha256 {sha256}", f"received  sha256 {received}"],
                    hint="upload it again",
                )
            if self._holds(filename, received):
                return False
            distributions.verify(path, claimed)
            with self._naming:
                self._refuse_other_spelling(claimed)
                try:
                    (self.root / filename).hardlink_to(path)
                except FileExistsError:
                    return not self._holds(filename, received)
                _sync_folder(self.root)
        return True

    def projects(self) -> Mapping[NormalizedName, tuple[Distribution, ...]]:
        """The published files by project, as the folder is now."""
        changed_ns = self.root.stat().st_mtime_ns
        listing = self._listing
        if listing is not None and listing.changed_ns == changed_ns:
            return listing.projects
        settled = time.time_ns() - changed_ns > _SETTLED_NS
        projects = self._scan()
        self._listing = _Listing(changed_ns=changed_ns, projects=projects) if settled else None
        return projects

    def sha256(self, filename: str) -> str:
        """The sha256 of a published file; hashed once, and again if size, time or inode have changed."""
        path = self.root / filename
        stat = path.stat()
        stamp = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        known = self._digests.get(filename)
        if known is not None and known[0] == stamp:
            return known[1]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._digests[filename] = (stamp, digest)
        return digest

    def _scan(self) -> dict[NormalizedName, tuple[Distribution, ...]]:
        found: defaultdict[NormalizedName, list[Distribution]] = defaultdict(list)
        with os.scandir(self.root) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.is_file() and (parsed := self._parse(entry.name)):
                    found[parsed.project].append(parsed)
        return {project: tuple(sorted(files, key=_by_version)) for project, files in found.items()}

    def _parse(self, filename: str) -> Distribution | None:
        # Remembered, because a store of 20,000 files is scanned again after each upload.
        if filename not in self._parsed:
            try:
                self._parsed[filename] = distributions.parse(filename)
            except Refused:
                self._parsed[filename] = None
        return self._parsed[filename]

    def _holds(self, filename: str, received: str) -> bool:
        try:
            published = self.sha256(filename)
        except FileNotFoundError:
            return False
        if published != received:
            raise NameTaken(
                f"{filename} is published already, with other bytes",
                details=[f"published sha256 {published}", f"received  sha256 {received}"],
                hint="a published file never changes: publish under a new version, revision or build tag",
            )
        return True

    def _refuse_other_spelling(self, claimed: Distribution) -> None:
        for published in self.projects().get(claimed.project, ()):
            if published.identity == claimed.identity and published.filename != claimed.filename:
                raise NameTaken(
                    f"{claimed.filename} is published already as {published.filename}",
                    hint="pip could not tell the two apart: keep the published spelling",
                )

    @contextmanager
    def _partial(self) -> Iterator[tuple[BinaryIO, Path]]:
        folder = self.root / _INCOMING
        folder.mkdir(exist_ok=True)
        while True:
            descriptor, name = tempfile.mkstemp(suffix=".part", dir=folder)
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


def _copy(stream: BinaryIO, file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        file.write(chunk)
    file.flush()
    os.fchmod(file.fileno(), 0o644)  # mkstemp's 0600 would keep a web server that mirrors the folder out.
    os.fsync(file.fileno())
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _by_version(distribution: Distribution) -> tuple[object, ...]:
    return distribution.version, distribution.filename
