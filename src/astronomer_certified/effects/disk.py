"""Atomic files and folders, scratch space, digests and locks.

Every file appears under its final name whole or not at all: written beside, fsynced, renamed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from astronomer_certified.errors import WorkspaceError

_MEMORY = Path("/dev/shm")  # noqa: S108  only a folder of our own below it is used
_MEMORY_NEEDED = 2 * 1024**3

# What to do about a refusal of the operating system, ours or one that a program met.
HINTS = {
    errno.ENOSPC: "free some space (or set XDG_CACHE_HOME to another disk) and run it again: nothing is lost",
    errno.EDQUOT: "your quota is used up: free some space and run it again: nothing is lost",
    errno.EFBIG: "a limit on the size of files is in force (ulimit -f): lift it and run it again: nothing is lost",
    errno.EACCES: "check who owns the folder",
    errno.EPERM: "check who owns the folder",
    errno.EROFS: "the file system is read-only: make it writable and run it again",
    errno.ENOTDIR: "a file stands where a folder should be: move it away",
}
# What the system says when nothing more can be written.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_TMP_MARK = ".tmp-"
_IN_USE = "in-use"


def sha256_of(path: Path) -> str:
    """Lower-case hex sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(*parts: bytes | str) -> str:
    """sha256 of the parts, each told apart from the next."""
    total = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        total.update(len(content).to_bytes(8, "big"))
        total.update(content)
    return total.hexdigest()


def _fsync_folder(folder: Path) -> None:
    # A new name outlasts a power cut only when the folder that holds it is synced as well.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_beside(target: Path) -> Path:
    """A fresh hidden name in the folder of `target` that `sweep` recognises as left over."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp gives it mode 0600: until `put` sets the final mode, nobody else reads it.
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}{_TMP_MARK}")
    os.close(handle)
    return Path(name)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """A block whose refusals by the operating system name `path` when they name no file: a write's do not."""
    try:
        yield
    except OSError as err:
        if err.errno is not None and err.filename is None:
            err.filename = os.fspath(path)
        raise


def put(made: Path, target: Path, *, mode: int = 0o644, mtime_ns: int | None = None) -> None:
    """The finished file `made` is `target` now, durably: this is the one way in which a file gets its final name.

    Both must be on one file system. With `mtime_ns` it has that modification time, in nanoseconds since 1970.
    """
    # Mode, time and bytes are final before the name is: whoever sees the name sees all of it, after a crash too.
    with made.open("rb") as stream:
        os.fchmod(stream.fileno(), mode)
        if mtime_ns is not None:
            os.utime(stream.fileno(), ns=(mtime_ns, mtime_ns))
        os.fsync(stream.fileno())
    made.replace(target)
    _fsync_folder(target.parent)


@contextlib.contextmanager
def atomic_file(target: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """A temporary path that becomes `target`, durable and whole, when the block ends without an error."""
    beside = temporary_beside(target)
    try:
        with naming(target):
            yield beside
        put(beside, target, mode=mode)
    finally:
        beside.unlink(missing_ok=True)


def write_atomic(target: Path, content: bytes, *, mode: int = 0o644) -> None:
    """`target` holds exactly `content`; a reader never sees less, and nobody whom `mode` keeps out sees any of it."""
    with atomic_file(target, mode=mode) as beside:
        beside.write_bytes(content)


def link_or_copy(source: Path, target: Path) -> None:
    """`target` has the content of `source`, and takes no room of its own where the file system can share it."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `target` when the block ends without an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}{_TMP_MARK}"))
    try:
        with naming(target):
            yield beside
        # mkdtemp lets nobody but the owner in.
        beside.chmod(0o755)
        _take_the_place(target, beside)
        _fsync_folder(target.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _take_the_place(target: Path, beside: Path) -> None:
    """`beside` is `target` now, also where another process makes the same at the same time."""
    with contextlib.ExitStack() as stack:
        # Another process may put a folder of its own there between the two renames; then that one steps aside as well.
        while True:
            try:
                beside.rename(target)
            except OSError as err:
                if err.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            else:
                return
            # rename(2) cannot replace a folder that is not empty: that one steps aside first.
            aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}{_TMP_MARK}"))
            stack.callback(shutil.rmtree, aside, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                target.rename(aside / "old")


@contextlib.contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """A folder of its own below `parent`, removed at the end whatever happens; in memory with `parent`, once empty."""
    folder = _made_below(parent, f".{name}{_TMP_MARK}")
    try:
        with naming(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if parent.parent == _MEMORY:
            with contextlib.suppress(OSError):  # it is not empty: somebody else works in it
                parent.rmdir()


@contextlib.contextmanager
def folder_in_use(prefix: str) -> Iterator[Path]:
    """A folder of that prefix where the system has such things, gone at the end; those that killed processes of this
    user left there are gone, too."""
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            # Looked at before it is opened: in a folder that all share, somebody else's may be anything.
            if _own(left.lstat()) and stat.S_ISREG((left / _IN_USE).lstat().st_mode):
                _remove_unused(left)
    while True:
        with tempfile.TemporaryDirectory(prefix=prefix) as folder, Path(folder, _IN_USE).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Another process may have taken it for one that was left, before it was locked.
            if Path(folder, _IN_USE).exists():
                yield Path(folder)
                return


def _remove_unused(folder: Path) -> None:
    """The folder is gone. OSError when it is in use."""
    with (folder / _IN_USE).open("rb") as held:
        # Its maker holds this lock while it lives; the kernel drops it even after kill -9.
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)


def _made_below(parent: Path, prefix: str) -> Path:
    """A fresh folder below `parent`, which is made when it is not there."""
    if parent.parent != _MEMORY:
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    while True:
        _make_our_own(parent)
        # Whoever leaves the room last takes it away, at any moment: then it is made anew.
        with contextlib.suppress(FileNotFoundError):
            return Path(tempfile.mkdtemp(dir=parent, prefix=prefix))


def _make_our_own(folder: Path) -> None:
    """A folder in shared memory is there in which nobody else may write; one of somebody else's is refused."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        # Whoever left it last may have removed it since; the caller makes it anew.
        with contextlib.suppress(FileNotFoundError):
            if not _own(folder.lstat()):
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), os.fspath(folder)) from None


def memory_folder(folder: Path) -> Path:
    """A folder in memory that stands for `folder`, for scratch files only; `folder` itself where there is no such room.

    A build writes thousands of small files and throws them away; on a busy disk that costs more than the build.
    """
    try:
        room = os.statvfs(_MEMORY)
    except OSError:
        return folder
    # Builds start programs that they have put there.
    if room.f_bavail * room.f_frsize < _MEMORY_NEEDED or room.f_flag & os.ST_NOEXEC or not os.access(_MEMORY, os.W_OK):
        return folder
    ours = _stand_in(folder)
    return ours if _is_ours(ours) or not os.path.lexists(ours) else folder


def _stand_in(folder: Path) -> Path:
    # The same name in each run, so that `sweep` finds there what a killed one left.
    name = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    return _MEMORY / f"astronomer-certified-{os.getuid()}-{name}"


def _is_ours(folder: Path) -> bool:
    """Anybody may make a folder of that name in shared memory; only one of our own is used."""
    try:
        return _own(folder.lstat())
    except FileNotFoundError:
        return False


def _own(there: os.stat_result) -> bool:
    return stat.S_ISDIR(there.st_mode) and there.st_uid == os.getuid()


def sweep(folder: Path, name: str = "*") -> None:
    """Temporaries that a killed run left directly in `folder` (of what has that name), or in memory for it, are gone.

    Only for who holds the folder's lock.
    """
    for place in (folder, _stand_in(folder)):
        for left in place.glob(f".{name}{_TMP_MARK}*") if place == folder or _is_ours(place) else ():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        _stand_in(folder).rmdir()


@contextlib.contextmanager
def lock(path: Path, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Exclusive flock(2) on `path`: freed by the kernel when the holder dies, however it dies.

    When somebody else holds it, `on_wait` gets the holder's process id as text, once, and the call blocks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not for writing: that would empty it, and the holder's id is read from it by those who wait.
    with path.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            # EACCES: where the file system does flock(2) by fcntl(2), as NFS does.
            if err.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            stream.seek(0)
            on_wait(stream.read().strip() or "?")
            fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        stream.truncate()
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def as_workspace_error(err: OSError) -> WorkspaceError:
    """The message for an operating system's refusal: no space, no permission, too many files."""
    number, where, why = err.errno, err.filename, err.strerror or str(err)
    if isinstance(err, shutil.Error) and isinstance(err.args[0], list):
        # What shutil.copytree raises: a list of (from, to, text); the first is as good as all.
        _, where, why = err.args[0][0]
        found = re.match(r"\[Errno (\d+)\] ([^:]*)", why)
        number, why = (int(found[1]), found[2]) if found else (None, why)
    return WorkspaceError(f"{where or 'the file system'}: {why}", hint=HINTS.get(number or 0))
