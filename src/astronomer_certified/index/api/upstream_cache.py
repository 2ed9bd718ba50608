"""What the proxy keeps of upstream: pages, files and what is not there, within a quota. One folder, several processes.

    pages/NAME.json            what upstream lists of a project, and when it was asked
    files/HH/SHA256/FILENAME   a file, or a wheel's METADATA beside it

Everything here may be thrown away at any time. Names that upstream does not have are kept in memory only: strangers can
think of more of them than a disk has room for.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from packaging.utils import NormalizedName

from astronomer_certified.effects.disk import digest, put, temporary_beside, write_atomic
from astronomer_certified.errors import PublishError
from astronomer_certified.index.store.reading import whole
from astronomer_certified.index.store.records import FileRecord, ProjectRecord

# Seconds for which what upstream said counts.
_FRESH = 600.0

# Names that upstream does not have; bytes of pages, as they are kept, that are ready to look into: some 100 MB.
_ABSENT = 10_000
_READY = 32 << 20

# When more than this share of the quota has been written since, the folder is looked over; then this much may stay.
_SHARE = 0.05
_STAYS = 0.9

# Seconds until it is looked once more whether something may go.
_LOOK_AGAIN = 5.0

# What part of the quota a file may take whose size nobody states.
_UNSTATED = 16

# Seconds in which nothing is removed after its last use: somebody may be about to send it.
_IN_USE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamPage:
    """A project as upstream lists it, and where each of its files is."""

    record: ProjectRecord
    urls: dict[str, str]
    read: int
    """When it was read, in nanoseconds since 1970: it tells this page from others of the project."""

    def find(self, filename: str) -> tuple[FileRecord, str] | None:
        """The file of that name and its address; None when upstream lists none, or has it in quarantine (PEP 792)."""
        file = self.record.find(filename)
        return (file, self.urls[filename]) if file is not None and self.record.serves(file) else None

    def to_json(self) -> bytes:
        """As `from_json` reads it."""
        values = {"record": self.record.to_json().decode(), "urls": self.urls, "read": self.read}
        return json.dumps(values).encode()

    @classmethod
    def from_json(cls, content: bytes) -> UpstreamPage:
        """The page. Raises ValueError, KeyError, AttributeError, TypeError or PublishError for what is none."""
        values = json.loads(content)
        record = ProjectRecord.from_json(values["record"].encode())
        return cls(record=record, urls=values["urls"], read=int(values["read"]))


class _Kept(NamedTuple):
    used: float
    size: int
    path: Path


class Keeping:
    """A file that is being kept, of at most `most` bytes. Without room for it nothing is kept, which is no reason to
    give a client nothing."""

    def __init__(self, place: Path, reserved: int, most: int) -> None:
        self.size = 0
        self.beside: Path | None = None
        """Where it is written; None without room for it, and when all is over."""
        self.lost = False
        """Whether there was no room for the rest of it."""
        self.is_kept = False
        self._place = place
        self._most = most
        self._stream: FileIO | None = None
        if most <= 0:
            return
        try:
            self.beside = temporary_beside(place)
            self._stream = FileIO(self.beside, "w")
            if reserved > 0:
                # Now, and not in the middle of what others read of it already.
                os.posix_fallocate(self._stream.fileno(), 0, reserved)
        except OSError:
            self.close()

    def write(self, piece: bytes) -> None:
        """More of the file."""
        self.size += len(piece)
        if self._stream is not None:
            try:
                if self.size > self._most:
                    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
                left = memoryview(piece)
                while left:
                    left = left[self._stream.write(left) :]
            except OSError:
                self.lost = True
                self.close()

    def whole(self) -> None:
        """That was all of it, and it is right."""
        if self._stream is not None and self.beside is not None:
            with contextlib.suppress(OSError):
                # As long as it is: more may have been stated, and reserved.
                self._stream.truncate(self.size)
                put(self.beside, self._place)
                self.is_kept = True

    def close(self) -> None:
        """Nothing is left of what was not whole."""
        if self._stream is not None:
            with contextlib.suppress(OSError):  # the last bytes may find no room either
                self._stream.close()
        if self.beside is not None:
            self.beside.unlink(missing_ok=True)
        self._stream = self.beside = None


class UpstreamCache:
    """Pages and files of upstream, together of at most `quota` bytes, a twentieth more while they are written."""

    def __init__(self, folder: Path, quota: int) -> None:
        self._folder = folder
        self._quota = quota
        self.name = f"certified-{digest(os.fspath(folder.absolute()))[:16]}"
        """The same in all processes that share it, and nobody else's on this machine."""
        self._written = quota  # so that the first thing that is written looks over what others left
        self._here: int | None = None  # bytes of what is kept, as of the last look and what was written here since
        self._full = -_LOOK_AGAIN  # when nothing could go, for the last time
        self._absent: OrderedDict[NormalizedName, float] = OrderedDict()
        self._ready: OrderedDict[NormalizedName, tuple[int, UpstreamPage, int]] = OrderedDict()
        self._coming = 0
        self._sound: dict[tuple[Path, str], tuple[int, int, int]] = {}
        self._lock = threading.Lock()
        self._looking = threading.Lock()

    # --- pages

    def is_absent(self, name: NormalizedName) -> bool:
        """Whether upstream said lately that it has no such project."""
        with self._lock:
            said = self._absent.get(name)
            return said is not None and time.monotonic() - said < _FRESH

    def note_absent(self, name: NormalizedName) -> None:
        """Upstream has no such project; of the many that it does not have, those asked for last are remembered."""
        with self._lock:
            self._absent[name] = time.monotonic()
            self._absent.move_to_end(name)
            while len(self._absent) > _ABSENT:
                self._absent.popitem(last=False)
            self._ready.pop(name, None)
        self._page_file(name).unlink(missing_ok=True)

    def page(self, name: NormalizedName, *, stale: bool = False) -> UpstreamPage | None:
        """What upstream said of the project, lately or, when `stale` will do, ever; None when nothing is kept."""
        path = self._page_file(name)
        try:
            stamp = path.stat().st_mtime_ns
        except OSError:
            return None
        if not stale and time.time() - stamp / 1e9 >= _FRESH:
            return None
        with self._lock:
            known = self._ready.get(name)
            if known is not None and known[0] == stamp:
                self._ready.move_to_end(name)
                return known[1]
        try:
            content = path.read_bytes()
            page = UpstreamPage.from_json(content)
        except (OSError, ValueError, KeyError, AttributeError, TypeError, PublishError):
            return None  # thrown away meanwhile, or of another version of this program
        self._be_ready(name, stamp, page, len(content))
        return page

    def keep_page(self, name: NormalizedName, page: UpstreamPage) -> None:
        """The page is kept. Where there is no room for it, it is not, and asked for again."""
        content = page.to_json()
        path = self._page_file(name)
        if not self._makes_room(len(content)):
            return
        with contextlib.suppress(OSError):
            # The addresses of files may be good for whoever knows them.
            write_atomic(path, content, mode=0o600)
            self._be_ready(name, path.stat().st_mtime_ns, page, len(content))
        self.wrote(len(content))

    def _be_ready(self, name: NormalizedName, stamp: int, page: UpstreamPage, size: int) -> None:
        with self._lock:
            self._absent.pop(name, None)
            self._ready[name] = (stamp, page, size)
            self._ready.move_to_end(name)
            total = sum(size for _, _, size in self._ready.values())
            while total > _READY and len(self._ready) > 1:
                total -= self._ready.popitem(last=False)[1][2]

    def _page_file(self, name: NormalizedName) -> Path:
        return self._folder / "pages" / f"{name}.json"

    # --- files

    def place(self, sha256: str, filename: str) -> Path:
        """Where a file is kept, or would be. `sha256` has 64 hexadecimal digits, `filename` no slash."""
        return self._folder / "files" / sha256[:2] / sha256 / filename

    def has(self, place: Path, sha256: str) -> bool:
        """Whether the file is kept with these bytes. It is read once for each state that it is found in."""
        try:
            stat = place.stat()
            state = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if self._sound.get((place, sha256)) != state:
                if not whole(place, sha256):
                    return False
                if len(self._sound) > _ABSENT:
                    self._sound.clear()
                self._sound[place, sha256] = state
            # What was used longest ago goes first; file systems are mounted so that reading alone does not tell.
            os.utime(place, ns=(time.time_ns(), stat.st_mtime_ns))
        except OSError:
            return False
        return True

    @property
    def quota(self) -> int:
        """Bytes that may be kept, of one file too."""
        return self._quota

    @contextlib.contextmanager
    def keeping(self, place: Path, expected: int = -1) -> Iterator[Keeping]:
        """A file that is there at the end if it was said to be whole, and if there was room for it. `expected` is its
        size, -1 where nobody knows. What comes at the same time shares one quota."""
        wanted = expected if expected >= 0 else self._quota // _UNSTATED
        held = wanted if self._makes_room(wanted) else 0
        with self._lock:
            if self._coming + held > self._quota:
                held = 0
            self._coming += held
        keeping = Keeping(place, held if expected >= 0 else 0, held)
        try:
            yield keeping
        finally:
            keeping.close()
            with self._lock:
                self._coming -= held
            if keeping.is_kept:
                self.wrote(keeping.size)

    def _makes_room(self, size: int) -> bool:
        """Whether so many bytes more are within the quota, once what was used longest ago has gone for them."""
        if size > self._quota:  # nothing goes for what cannot be kept
            return False
        if self._fits(size):
            return True
        # Where nothing can go, as all of it is in use, nobody looks again for each file that comes.
        if self._looking.acquire(blocking=False):
            try:
                if time.monotonic() - self._full > _LOOK_AGAIN:
                    self._look_over(size)
                    if not self._fits(size):
                        self._full = time.monotonic()
            finally:
                self._looking.release()
        return self._fits(size)

    def _fits(self, size: int) -> bool:
        with self._lock:
            return self._here is not None and self._here + self._coming + size <= self._quota

    def wrote(self, size: int) -> None:
        """So many bytes are new; what was used longest ago goes where they are too many."""
        with self._lock:
            self._here = size + (self._here or 0)
            self._written += size
            if self._written < self._quota * _SHARE:
                return
            self._written = 0
        # One look is enough, and no client waits for that of another.
        if self._looking.acquire(blocking=False):
            try:
                self._look_over(0)
            finally:
                self._looking.release()

    def _look_over(self, room: int) -> None:
        """What lies here is known; where that and `room` are more than the quota, what was used longest ago is gone."""
        kept = sorted(self._everything())
        size = sum(item.size for item in kept)
        if size + room > self._quota:
            size = self._without_the_oldest(kept, size, max(0.0, self._quota * _STAYS - room))
        with self._lock:
            # What is coming has its place in the folder already, and is counted apart.
            self._here = max(0, size - self._coming)

    def _without_the_oldest(self, kept: Sequence[_Kept], size: int, stays: float) -> int:
        for item in kept:
            # In the order of use: all that come after one in use are in use, too.
            if size <= stays or time.time() - item.used < _IN_USE:
                break
            with contextlib.suppress(OSError):
                item.path.unlink()
                size -= item.size
                if item.path.parent.name != "pages":
                    item.path.parent.rmdir()  # unless the METADATA of the wheel is still there
        return size

    def _everything(self) -> Iterator[_Kept]:
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(OSError):
                    stat = path.stat()
                    yield _Kept(max(stat.st_atime, stat.st_mtime), stat.st_size, path)
