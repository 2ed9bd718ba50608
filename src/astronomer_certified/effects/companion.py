"""A program of ours that answers questions as long as this one runs, and may be ended by any of them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import weakref

from .processes import clean_environment

# Seconds after which a companion that was asked nothing is started anew.
_IDLE = 30


class Companion:
    """A module of ours as a program that answers questions: each is a line, and so is its answer. One at a time.

    It is started by the first question, and again by one that comes after it has ended: it may end at any, which is
    then answered by nobody. It has the end of its questions for a sign that this process is gone.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._used = 0.0

    def ask(self, question: bytes) -> bytes | None:
        """The answer, without the end of its line; None when the program ended instead. `question` is one line."""
        with self._turn:
            process = self._running()
            try:
                answer = _asked(process, question)
            except OSError:
                answer = b""
            self._used = time.monotonic()
            if not answer.endswith(b"\n"):
                self._end()
                return None
            return answer[:-1]

    def close(self) -> None:
        """The program is ended."""
        with self._turn:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        # A program may end itself while it is asked nothing: one that was not asked for long is not relied upon.
        if time.monotonic() - self._used > _IDLE:
            self._end()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                env=clean_environment(PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            # Whoever forgets to close it leaves no process behind all the same.
            self._ending = weakref.finalize(self, _end, self._process)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process = None
            self._ending()


def _asked(process: subprocess.Popen[bytes], question: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:  # they are pipes; mypy cannot know
        return b""
    process.stdin.write(question + b"\n")
    process.stdin.flush()
    return process.stdout.readline()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
