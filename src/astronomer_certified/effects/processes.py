"""Programs that are started: what they may know of this process, and what becomes of their failures."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from astronomer_certified.errors import CommandFailed, EnvironmentMissing, TookTooLong

from .disk import FULL, HINTS, write_atomic

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

_SIGNAL_HINTS = {
    signal.SIGXFSZ: HINTS[errno.EFBIG],
    signal.SIGKILL: "if the machine ran out of memory, run it again with fewer --jobs",
}

# Ends with the thread that waits for it, even when that one is killed: nobody else would stop a server then.
# Where the parent has ended before prctl(2) was called, no signal will come: then nothing is started.
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG, prctl(2)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""

_LOG_TAIL = 22
_LOG_HEAD = 5

# Below what Linux gives out by itself (ip_local_port_range), above what services have by convention.
_PORTS = range(20_000, 32_768)
_TRIES = 100


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment for a child: the passed-on names, a UTF-8 locale, `extra` on top."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # With /dev/null for its file, pip reads no configuration at all, that of the machine included.
    environment |= {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PIP_CONFIG_FILE": os.devnull, "PYTHONNOUSERSITE": "1"}
    return environment | extra


def _told(printed: str) -> list[str]:
    """What is shown of a failed program's words: its last lines, and the first, where some say what they failed at."""
    lines = printed.strip().splitlines()
    if len(lines) <= _LOG_HEAD + _LOG_TAIL:
        return lines
    return [*lines[:_LOG_HEAD], f"... {len(lines) - _LOG_HEAD - _LOG_TAIL} more lines ...", *lines[-_LOG_TAIL:]]


def run(  # noqa: PLR0913  what one may say of a process; all but the first by name
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
    _go_on()
    words = [os.fspath(word) for word in argv]
    try:
        with (
            subprocess.Popen(
                words,
                cwd=cwd,
                env=dict(env) if env is not None else clean_environment(),
                # A program that asks something ends, and does not wait for an answer that nobody gives.
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if log else subprocess.PIPE,
                encoding="utf-8",  # clean_environment asks for it
                errors="replace",
            ) as process,
            _known(process.terminate),
        ):
            completed = _completed(process, words, timeout)
    except FileNotFoundError as err:
        # Popen raises the same error for a folder that is not there as for a program.
        if cwd is not None and not cwd.is_dir():
            raise CommandFailed(f"{Path(words[0]).name} was not started: no such folder: {cwd}") from err
        raise EnvironmentMissing(
            f"program not found: {words[0]}", hint="install it, or put its folder on PATH"
        ) from err
    except PermissionError as err:
        raise EnvironmentMissing(f"program cannot be executed: {words[0]}", hint="check its mode") from err
    except subprocess.TimeoutExpired as err:
        raise TookTooLong(f"{Path(words[0]).name} did not end within {timeout:g} s", details=[" ".join(words)]) from err
    if log:
        write_atomic(log, f"$ {' '.join(words)}\n{completed.stdout}".encode(errors="surrogateescape"))
    if check and completed.returncode != 0:
        printed = (completed.stdout or "") + (completed.stderr or "")
        raise CommandFailed(
            f"{Path(words[0]).name} {ending(completed.returncode)}",
            details=[" ".join(words), *_told(printed)],
            hint=_system_hint(completed.returncode, printed) or (f"the whole output is in {log}" if log else None),
        )
    return completed


def _completed(process: subprocess.Popen[str], words: Sequence[str], timeout: float | None) -> Completed:
    """What a program said, when it has ended. Raises `subprocess.TimeoutExpired`, and then it has been ended."""
    try:
        said, complained = process.communicate(timeout=timeout)
    except BaseException:
        process.kill()
        raise
    return Completed(words, process.returncode, said, complained)


# What ends each program that runs now, and whether it was called.
_ENDING: dict[int, Callable[[], None]] = {}
_INTERRUPTED = threading.Event()


def _go_on() -> None:
    if _INTERRUPTED.is_set():
        raise KeyboardInterrupt


@contextlib.contextmanager
def _known(end: Callable[[], None]) -> Iterator[None]:
    """While the block lasts, who is interrupted calls this; at once, where that came before it."""
    _ENDING[id(end)] = end
    try:
        if _INTERRUPTED.is_set():
            with contextlib.suppress(OSError):
                end()
        yield
    finally:
        del _ENDING[id(end)]


@contextlib.contextmanager
def ended_when_interrupted() -> Iterator[None]:
    """Who is interrupted in this block has every program asked to end that was started here, and no other is started.

    Threads that wait for programs would go on waiting otherwise: a terminal does not interrupt servers, which are in
    sessions of their own. Who would start another program gets `KeyboardInterrupt`.
    """
    try:
        yield
    except KeyboardInterrupt:
        _INTERRUPTED.set()
        for end in list(_ENDING.values()):
            with contextlib.suppress(OSError):
                end()
        raise


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
            f"{Path(words[0]).name} {ending(completed.returncode)}",
            details=[" ".join(words), *_told(printed)],
            hint=_system_hint(completed.returncode, printed),
        )
    return completed


def ending(status: int) -> str:
    """How a program ended, by its status as in `subprocess`: `ended with status 1`, `was ended by SIGKILL`."""
    return f"ended with status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"


def _system_hint(status: int, printed: str) -> str | None:
    """What to do when the operating system, not the program's input, made it fail; None when it did not."""
    if status < 0:
        return _SIGNAL_HINTS.get(signal.Signals(-status))
    # Programs say it in English, whatever the user speaks: `clean_environment` sets their locale.
    return next((HINTS[number] for number in FULL if os.strerror(number) in printed), None)


class Conversation:
    """A program that answers each line that it is sent with one line."""

    def __init__(self, process: subprocess.Popen[str], streams: tuple[IO[str], IO[str]], name: str, log: Path) -> None:
        self._process = process
        self._to, self._from = streams
        self._name = name
        self._log = log

    def heard(self) -> str:
        """Its next line. Raises `CommandFailed` when it has ended instead, with the last lines of its log."""
        line = self._from.readline()
        if not line:
            status = self._process.wait()
            last = _told(self._log.read_text(encoding="utf-8", errors="replace"))
            raise CommandFailed(
                f"{self._name} {ending(status)}", details=last,
                hint=_system_hint(status, "\n".join(last)) or f"the whole output is in {self._log}",
            )  # fmt: skip
        return line

    def ask(self, line: str) -> str:
        """What it answers. Raises `CommandFailed` when it ends instead."""
        with contextlib.suppress(BrokenPipeError):  # then it has ended, and its log says why
            self._to.write(f"{line}\n")
            self._to.flush()
        return self.heard()


@contextlib.contextmanager
def conversation(argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: Path) -> Iterator[Conversation]:
    """A program that can be asked while the block lasts; what it says beside its answers goes to the log.

    It and its children end with the block, and with this process.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as stream,
        _tied(argv, cwd, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream) as process,
    ):
        if process.stdin is not None and process.stdout is not None:  # as it is with two pipes
            yield Conversation(process, (process.stdin, process.stdout), Path(argv[0]).name, log)


class Running:
    """A server in the background; called, it says whether it still runs. `pid` is its number."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def __call__(self) -> bool:
        """Whether it does."""
        return self._process.poll() is None


@contextlib.contextmanager
def background(argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: Path) -> Iterator[Running]:
    """A server that runs while the block does, with its children.

    It gets SIGTERM when this process is killed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as stream,
        _tied(argv, cwd, env, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT) as process,
    ):
        yield Running(process)


@contextlib.contextmanager
def _tied(
    argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str], **streams: Any
) -> Iterator[subprocess.Popen[str]]:
    _go_on()
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _TIED, str(os.getpid()), *(os.fspath(word) for word in argv)],
        cwd=cwd,
        env=dict(env),
        encoding="utf-8",
        start_new_session=True,  # so that the whole group can be ended, workers of a server included
        **streams,
    )
    try:
        with _known(lambda: os.killpg(process.pid, signal.SIGTERM)):
            yield process
    finally:
        for number, patience in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
                # The first process of the group may be gone while others, as the workers of a server, still run.
                if not _group_lives(process.pid):
                    break
        for pipe_end in (process.stdin, process.stdout):
            if pipe_end is not None:
                with contextlib.suppress(BrokenPipeError):
                    # Closing sends what is still in the buffer, and there may be nobody left to take it.
                    pipe_end.close()


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def answers(port: int) -> bool:
    """Whether somebody takes connections to a TCP port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago.

    It is none of those that the system gives to connections, and to servers that leave the choice to it: one of those
    may be somebody else's by the time a program listens there.
    """
    # At random, so that two programs which look at the same moment seldom find the same one.
    for port in random.sample(_PORTS, _TRIES):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise EnvironmentMissing("no TCP port of 127.0.0.1 is free", hint="end some of the servers on this machine")
