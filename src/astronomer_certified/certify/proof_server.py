"""A process that has imported what proofs share, and forks for each of them: a fork costs milliseconds, and nothing
that a proof does is seen by the next.

    python proof_server.py KIND HOME

It is run in the environment of the proofs, so it is for Python 3.6 and later, and imports the standard library and what
is there. If the folder in which it starts has a conftest.py with a function `prepare(KIND)`, that is called once. Then,
for each line of JSON on stdin, {"words": words for pytest, "output": path, "timeout": seconds, "memory": bytes}, there
is one on stdout: {"status": of pytest, "seconds": elapsed, "cpu": seconds of processor, "ended": "time" or "memory"
where it took more than that and was ended with all that it started, or ""}. HOME is for every proof as `prepare` left
it.

A proof of the KIND `fresh` shares nothing: nothing is prepared, and it is a program of its own, started by the fork.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

# Seconds between two looks at whether a proof has ended, and at the memory that it holds; the status of one that took
# more than it may, as timeout(1) has it.
_LOOK = 0.005
_LOOK_AT_MEMORY = 0.5
_KILLED = 124
_PROC = Path("/proc")


def main(kind: str, home: str) -> None:
    """Answers until stdin ends."""
    # A proof is in a session of its own, and would go on: it is ended by who waits for it.
    signal.signal(signal.SIGTERM, _told_to_end)
    sys.path.insert(0, str(Path.cwd()))
    # What libraries print belongs to the log, which is stderr; stdout is for answers alone.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    pytest = None if kind == "fresh" else _prepared(kind)
    kept = home + ".kept"
    shutil.copytree(home, kept, symlinks=True)
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        shutil.rmtree(home)
        shutil.copytree(kept, home, symlinks=True)
        answers.write(json.dumps(_proof(pytest, asked)) + "\n")
        answers.flush()


def _told_to_end(number: int, frame: Any) -> None:
    sys.exit(128 + number)


def _prepared(kind: str) -> Any:
    if Path("conftest.py").is_file():
        import conftest  # type: ignore[import-not-found]  # of the folder in which this starts

        if hasattr(conftest, "prepare"):
            conftest.prepare(kind)
    import pytest

    return pytest


def _proof(pytest: Any, asked: Any) -> Any:
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _become_proof(pytest, asked)
    try:
        status, used, ended = _watched(child, start + asked["timeout"], asked["memory"])
    except BaseException:
        _end(child)
        raise
    if ended:
        _end(child)
        _, status, used = os.wait4(child, 0)
        code = _KILLED
    else:
        # What it started and did not end: a server of a proof must not answer the next one.
        _end_group(child)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    seconds, cpu = time.monotonic() - start, used.ru_utime + used.ru_stime
    return {"status": code, "seconds": seconds, "cpu": cpu, "ended": ended}


def _watched(child: int, until: float, memory: int) -> Any:
    """The status of a proof and what it used, when it has ended; or of which it took more than it may."""
    look = time.monotonic() + _LOOK_AT_MEMORY
    while True:
        pid, status, used = os.wait4(child, os.WNOHANG)
        now = time.monotonic()
        if pid:
            return status, used, ""
        if now > until:
            return None, None, "time"
        if now > look:
            if sum(map(_held, _family(child))) > memory:
                return None, None, "memory"
            look = time.monotonic() + _LOOK_AT_MEMORY
        time.sleep(_LOOK)


def _family(child: int) -> Any:
    """A proof and all that it started, in sessions of their own as well: proc(5)."""
    parents, found = {}, {child}
    for place in _PROC.glob("[0-9]*"):
        try:
            # Behind the name, which may hold anything: its state, parent, group and session.
            words = (place / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:  # it has ended
            continue
        parents[int(place.name)] = int(words[1])
        # What is left of a program that has ended has another parent.
        if child in (int(words[2]), int(words[3])):
            found.add(int(place.name))
    more = found
    while more:
        more = {number for number, parent in parents.items() if parent in more} - found
        found |= more
    return found


def _held(number: int) -> int:
    """The bytes that a process holds; of what it shares with others, as after a fork, its part."""
    place = _PROC / str(number)
    with contextlib.suppress(OSError):  # it has ended, or the kernel is older than 4.14
        for line in (place / "smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    try:
        return int((place / "statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _end(child: int) -> None:
    """A proof ends, and all that it started."""
    # Twice: between the first look and the end of what it saw, more may have been started.
    for _ in range(2):
        for number in _family(child):
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
    _end_group(child)


def _end_group(child: int) -> None:
    for _ in range(2):
        try:
            os.killpg(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            break


def _become_proof(pytest: Any, asked: Any) -> None:
    """This process is the proof now, and ends with it."""
    code = 3
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # So that it can be ended together with all that it has started.
        os.setsid()
        output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if pytest is None:
            os.execv(sys.executable, [sys.executable, "-m", "pytest", *asked["words"]])  # noqa: S606  no shell is asked
        code = int(pytest.main(asked["words"]))
    # Nothing may get out of here: this process would go on as a second server.
    except BaseException as err:
        sys.stderr.write("%s: %s\n" % (type(err).__name__, err))  # noqa: UP031  the oldest Python reads this, too
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # not sys.exit: what runs when a process ends is the parent's


if __name__ == "__main__":
    main(*sys.argv[1:])
