"""A program of ours that answers questions as long as this one runs, and may be ended by any of them."""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref

from .processes import clean_environment
from .respondents import Ended, Respondent

# Seconds after which a companion that was asked nothing is started anew.
_IDLE = 30


class Companion:
    """A module of ours as a `Respondent`: each question is a line. From any thread, one at a time.

    It is started by the first question, and again by one that comes after it has ended: it may end at any, which is
    then answered by nobody. `patience` is in seconds, `longest` in bytes of an answer.
    """

    def __init__(self, module: str, *, patience: float, longest: int) -> None:
        self._module = module
        self._patience = patience
        self._longest = longest
        self._turn = threading.Lock()
        self._program: Respondent | None = None
        self._used = 0.0

    def ask(self, question: bytes) -> bytes | None:
        """The answer; None when the program ended instead, or gave none in time. `question` is one line."""
        with self._turn:
            program = self._running()
            try:
                return program.ask(question + b"\n", timeout=self._patience, longest=self._longest)
            except Ended:
                self._end()
                return None
            finally:
                self._used = time.monotonic()

    def close(self) -> None:
        """The program is ended."""
        with self._turn:
            self._end()

    def _running(self) -> Respondent:
        # A program may end itself while it is asked nothing: one that was not asked for long is not relied upon.
        if time.monotonic() - self._used > _IDLE:
            self._end()
        if self._program is None:
            # It must find the module where this process found it. An empty entry would mean its own present folder.
            path = os.pathsep.join(filter(None, sys.path))
            words = [sys.executable, "-m", self._module]
            self._program = Respondent(words, env=clean_environment(PYTHONPATH=path), silent=True)
            # Whoever forgets to close it leaves no process behind all the same.
            self._ending = weakref.finalize(self, self._program.end)
        return self._program

    def _end(self) -> None:
        if self._program is not None:
            self._program = None
            self._ending()
