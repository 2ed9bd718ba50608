"""The only doors to the outside: processes, atomic files, folders and locks.

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
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from .errors import CommandFailed, EnvironmentMissing, WorkspaceError

# What a child process may know of the caller's environment: enough to run and to reach the network through the
# operator's proxy and certificates; nothing that changes what pip, uv or Python would choose to install.
_PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "UV_CACHE_DIR",
    "UV_PYTHON_INSTALL_DIR", "UV_PYTHON_DOWNLOADS", "PYENV_ROOT",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "PIP_PROXY",
    "PIP_DEFAULT_TIMEOUT", "CC", "CXX", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH",
)  # fmt: skip

Completed = subprocess.CompletedProcess[str]

_MEMORY = Path("/dev/shm")  # noqa: S108  only a folder of our own below it is used
_MEMORY_NEEDED = 2 * 1024**3

# What to do about a refusal of the operating system, ours or one that a program met.
_HINTS = {
    errno.ENOSPC: "free some space (or set XDG_CACHE_HOME to another disk) and run it again: nothing is lost",
    errno.EDQUOT: "your quota is used up: free some space and run it again: nothing is lost",
    errno.EFBIG: "a limit on the size of files is in force (ulimit -f): lift it and run it again: nothing is lost",
    errno.EACCES: "check who owns the folder",
    errno.EPERM: "check who owns the folder",
    errno.EROFS: "the file system is read-only: make it writable and run it again",
    errno.ENOTDIR: "a file stands where a folder should be: move it away",
}
_SIGNAL_HINTS = {
    signal.SIGXFSZ: _HINTS[errno.EFBIG],
    signal.SIGKILL: "if the machine ran out of memory, run it again with fewer --jobs",
}

# Ends with the thread that waits for it, even when that one is killed: nobody else would stop a server then.
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG, prctl(2)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""

_LOG_TAIL = 25
_TMP_MARK = ".tmp-"


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment for a child: the passed-on names, a UTF-8 locale, `extra` on top."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PIP_CONFIG_FILE": os.devnull, "PYTHONNOUSERSITE": "1"}
    return environment | extra


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    timeout: float | None = None,
    check: bool = True,
) -> Completed:
    """The completed process, stdout captured; with `log` both streams go to that file and stdout is read from it.

    Raises `EnvironmentMissing` for a program that is not there and `CommandFailed` for a non-zero status
    (unless `check` is off) or a timeout in seconds, with the last lines of what it printed.
    """
    words = [os.fspath(word) for word in argv]
    try:
        completed = subprocess.run(
            words,
            cwd=cwd,
            env=dict(env) if env is not None else clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if log else subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as err:
        if cwd is not None and not cwd.is_dir():
            raise CommandFailed(f"{Path(words[0]).name} was not started: no such folder: {cwd}") from err
        raise EnvironmentMissing(
            f"program not found: {words[0]}", hint="install it, or put its folder on PATH"
        ) from err
    except PermissionError as err:
        raise EnvironmentMissing(f"program cannot be executed: {words[0]}", hint="check its mode") from err
    except subprocess.TimeoutExpired as err:
        raise CommandFailed(
            f"{Path(words[0]).name} did not end within {timeout:g} s", details=[" ".join(words)]
        ) from err
    if log:
        write_atomic(log, f"$ {' '.join(words)}\n{completed.stdout}".encode())
    if check and completed.returncode != 0:
        printed = (completed.stdout or "") + (completed.stderr or "")
        raise CommandFailed(
            f"{Path(words[0]).name} {_ending(completed.returncode)}",
            details=[" ".join(words), *printed.strip().splitlines()[-_LOG_TAIL:]],
            hint=_system_hint(completed.returncode, printed) or (f"the whole output is in {log}" if log else None),
        )
    return completed


def pipe(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    statuses: Sequence[int] = (0,),
) -> subprocess.CompletedProcess[bytes]:
    """The completed process, with bytes in and out: what git says of files is in no encoding.

    Raises `EnvironmentMissing` and, for a status that is not one of `statuses`, `CommandFailed`.
    """
    words = [os.fspath(word) for word in argv]
    try:
        completed = subprocess.run(words, cwd=cwd, env=dict(env), input=stdin, capture_output=True, check=False)
    except FileNotFoundError as err:
        if not cwd.is_dir():
            raise CommandFailed(f"{Path(words[0]).name} was not started: no such folder: {cwd}") from err
        raise EnvironmentMissing(
            f"program not found: {words[0]}", hint="install it, or put its folder on PATH"
        ) from err
    if completed.returncode not in statuses:
        printed = completed.stderr.decode("utf-8", "replace")
        raise CommandFailed(
            f"{Path(words[0]).name} {_ending(completed.returncode)}",
            details=[" ".join(words), *printed.strip().splitlines()[-_LOG_TAIL:]],
            hint=_system_hint(completed.returncode, printed),
        )
    return completed


def _ending(status: int) -> str:
    return f"ended with status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"


def _system_hint(status: int, printed: str) -> str | None:
    """What to do when the operating system, not the program's input, made it fail; None when it did not."""
    if status < 0:
        return _SIGNAL_HINTS.get(signal.Signals(-status))
    refusals = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
    return next((_HINTS[number] for number in refusals if os.strerror(number) in printed), None)


@contextlib.contextmanager
def background(
    argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: Path
) -> Iterator[Callable[[], bool]]:
    """A server that runs while the block does, with its children; gives a function that says whether it still runs.

    It gets SIGTERM when this process is killed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _TIED, str(os.getpid()), *(os.fspath(word) for word in argv)],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that the whole group can be ended, workers of the server included
        )
        try:
            yield lambda: process.poll() is None
        finally:
            for number, patience in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(patience)
                    if not _group_lives(process.pid):
                        break


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def sha256_of(path: Path) -> str:
    """Lower-case hex sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_beside(target: Path) -> Path:
    """A fresh hidden name in the folder of `target` that `sweep` recognises as left over."""
    target.parent.mkdir(parents=True, exist_ok=True)
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


@contextlib.contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """A temporary path that becomes `target`, durable and whole, when the block ends without an error."""
    beside = temporary_beside(target)
    try:
        with naming(target):
            yield beside
        with beside.open("rb") as stream:
            os.fsync(stream.fileno())
        beside.chmod(0o644)
        beside.replace(target)
        _fsync_folder(target.parent)
    finally:
        beside.unlink(missing_ok=True)


def write_atomic(target: Path, content: bytes) -> None:
    """`target` holds exactly `content`; a reader never sees less."""
    with atomic_file(target) as beside:
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
        beside.chmod(0o755)
        _take_the_place(target, beside)
        _fsync_folder(target.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _take_the_place(target: Path, beside: Path) -> None:
    """`beside` is `target` now, also where another process makes the same at the same time."""
    with contextlib.ExitStack() as stack:
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
    """A folder of its own below `parent`, removed at the end whatever happens."""
    # Nobody else may write in a folder that stands in shared memory.
    parent.mkdir(parents=True, exist_ok=True, mode=0o700 if parent.parent == _MEMORY else 0o777)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=f".{name}{_TMP_MARK}"))
    try:
        with naming(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def memory_folder(folder: Path) -> Path:
    """A folder in memory that stands for `folder`, for scratch files only; `folder` itself where there is no such room.

    A build writes thousands of small files and throws them away; on a busy disk that costs more than the build.
    """
    try:
        room = os.statvfs(_MEMORY)
    except OSError:
        return folder
    if room.f_bavail * room.f_frsize < _MEMORY_NEEDED or room.f_flag & os.ST_NOEXEC or not os.access(_MEMORY, os.W_OK):
        return folder
    ours = _stand_in(folder)
    return ours if _is_ours(ours) or not os.path.lexists(ours) else folder


def _stand_in(folder: Path) -> Path:
    name = hashlib.sha256(os.fspath(folder.absolute()).encode()).hexdigest()[:16]
    return _MEMORY / f"astronomer-certified-{os.getuid()}-{name}"


def _is_ours(folder: Path) -> bool:
    """Anybody may make a folder of that name in shared memory; only one of our own is used."""
    try:
        there = folder.lstat()
    except FileNotFoundError:
        return False
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
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
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
    return WorkspaceError(f"{where or 'the file system'}: {why}", hint=_HINTS.get(number or 0))
