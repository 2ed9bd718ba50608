"""Questions on standard input -> what files say of themselves, or why they are refused. Started by `verifier` only.

One process, one file after the other: this is where bytes from strangers are unpacked and parsed. It gives up what it
does not need before it reads the first of them, and ends with the process that asks, whatever it is doing.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from astronomer_certified.index.store import validation
from astronomer_certified.index.store.validation import Refused

from .verification import verify

# Bytes: room for a path and a file name of the longest kind, every character escaped.
_LONGEST_QUESTION = 64 << 10

# Standard streams, the file, and a few that Python opens for itself.
_OPEN_FILES = 16

# How often it looks whether somebody still waits for the answer, in seconds.
_LOOK = 1.0


def serve(parent: int, memory: int) -> None:
    """Every question has its answer. Returns when there are no more of them, or ends with the process `parent`.

    `memory` is the most that this process may have, in bytes of addresses (RLIMIT_AS).
    """
    _give_up(memory)
    _end_with(parent)
    answers = sys.stdout.buffer
    while line := sys.stdin.buffer.readline(_LONGEST_QUESTION):
        answer = _answer(json.loads(line))
        answers.write(len(answer).to_bytes(8, "big") + answer)
        answers.flush()


# Should a parser be taken over by what it reads: no file can be written, no core dump left, no process started. A limit
# on the size of files says nothing of pipes, so answers still go out.
def _give_up(memory: int) -> None:
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        # A limit of the operator that is lower stays: without privilege nobody can raise a hard one.
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    os.nice(5)  # who reads from the index goes first


def _end_with(parent: int) -> None:
    """Ends at the end of its input, and also in the midst of its work when the one who asks is gone.

    What ends a group of processes in an orderly way is for that one: it still wants its answer.
    """

    def look(number: int, frame: FrameType | None) -> None:
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, look)
    # A timer, since no thread can be started any more: RLIMIT_NPROC counts those, too.
    signal.setitimer(signal.ITIMER_REAL, _LOOK, _LOOK)


def _answer(question: Any) -> bytes:
    """A line of JSON, and then the metadata: they are bytes."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    # RLIMIT_CPU counts whole seconds from the start of the process, and this one has read other files before.
    most = math.ceil(used.ru_utime + used.ru_stime + question["processor"])
    # Beyond it, SIGXCPU ends this process (setrlimit(2)).
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    metadata = b""
    said: dict[str, object]
    try:
        claimed = validation.parse(question["filename"])
        contents = verify(Path(question["path"]), claimed, again=question["again"])
        metadata, said = contents.metadata, {"requires_python": contents.requires_python}
    except Refused as err:
        said = {"refused": err.what, "details": err.details, "hint": err.hint}
    except MemoryError:
        said = {"exceeded": "memory"}
    return json.dumps(said).encode() + b"\n" + metadata


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
