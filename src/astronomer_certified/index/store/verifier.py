"""A file that somebody sent -> what it says of itself, or Refused. Starts children, which do the reading.

Bytes that were made to hurt cost the time and memory of a process of their own: it has limits, and whoever else is
answered notices nothing. A child is kept for the next file, since its start takes longer than most files do.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.effects.processes import clean_environment
from astronomer_certified.effects.respondents import Ended, Respondent
from astronomer_certified.errors import PublishError

from .contents.verification import Contents
from .contents.wheels import METADATA_BYTES
from .validation import ClaimedFile, Refused

_CHILD = "astronomer_certified.index.store.contents.child"

# Files that one child verifies before another takes its place: what Python keeps of each does not grow for ever.
_FILES = 1000
_LONGEST_ANSWER = METADATA_BYTES + (1 << 20)
_MB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the verification of one file may take."""

    processor: float = 20.0
    """Seconds of a processor, for a file of no size."""
    per_megabyte: float = 0.5
    """More of these seconds, for each megabyte of the file: a wheel of 2 GB is unpacked and hashed, too."""
    patience: float = 3.0
    """How many times that it may take by the clock, beside others on a busy machine."""
    memory: int = 512 * _MB
    """Bytes of addresses."""
    at_once: int = 2
    """Files that are verified at the same time, by each process that answers."""

    def seconds(self, size: int) -> float:
        """Seconds of a processor for a file of so many bytes."""
        return self.processor + self.per_megabyte * size / _MB


class Verifier:
    """Verifies files in children. Safe from any thread; the children end with the object, or with its process."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._turns = threading.Semaphore(self._limits.at_once)
        self._idle: list[Respondent] = []
        self._busy: set[Respondent] = set()
        self._given_up = False
        # It is given the list and not the object, which it would keep alive.
        self.close = weakref.finalize(self, _end, self._idle)
        """Ends the children that wait; it happens by itself once nobody has the object any more."""

    def verify(self, path: Path, claimed: ClaimedFile, *, again: bool = False) -> Contents:
        """What `path` says of itself. Refused for all that `verification.verify` refuses, and for what takes more
        than the limits, or ends the child that reads it. Waits for its turn while `at_once` others are verified.
        PublishError when it was given up.
        """
        seconds = self._limits.seconds(path.stat().st_size)
        question = {"path": os.fspath(path), "filename": claimed.filename, "again": again, "processor": seconds}
        with self._turns, self._child() as child:
            try:
                answer = child.ask(
                    json.dumps(question).encode() + b"\n",
                    timeout=seconds * self._limits.patience,
                    longest=_LONGEST_ANSWER,
                )
            except Ended as err:
                if self._given_up:
                    raise PublishError(
                        f"{claimed.filename} was not verified", hint="upload it again: the index ended"
                    ) from err
                raise _refused(claimed, self._why(err, seconds)) from err
            head, _, metadata = answer.partition(b"\n")
            said = json.loads(head)
            if said.get("exceeded"):  # a child that once lacked memory is not asked again
                raise _refused(claimed, f"it took more than {self._limits.memory // _MB} MB of memory to verify")
        # Outside of the block: a refusal is an answer, and the child that gave it is kept.
        if "refused" in said:
            raise Refused(said["refused"], details=said["details"], hint=said["hint"])
        return Contents(metadata=metadata, requires_python=said["requires_python"])

    def give_up(self) -> None:
        """Nothing is verified any more: `verify` raises PublishError, also where it is at it."""
        self._given_up = True
        for child in list(self._busy):
            child.kill()

    @contextmanager
    def _child(self) -> Iterator[Respondent]:
        """A child that waits for a question; it is kept when it answered and lives, and ended otherwise."""
        child = self._kept() or self._started()
        self._busy.add(child)
        if self._given_up:  # meanwhile, or it would have been killed with the others
            child.kill()
        answered = False
        try:
            yield child
            answered = True
        finally:
            self._busy.discard(child)
            if answered and child.asked < _FILES:
                self._idle.append(child)
            else:
                child.end()

    def _kept(self) -> Respondent | None:
        while (child := _taken(self._idle)) is not None:
            # While it was idle, something may have killed it.
            if child.waits():
                return child
            child.end()
        return None

    def _started(self) -> Respondent:
        # All that this process imports from, since the child is to run the same code; `-P`: never the current folder.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        words = [sys.executable, "-P", "-m", _CHILD, str(os.getpid()), str(self._limits.memory)]
        return Respondent(words, env=clean_environment(PYTHONPATH=path))

    def _why(self, ended: Ended, seconds: float) -> str:
        if ended.status is None:
            return f"it took longer than {seconds * self._limits.patience:g} s to verify"
        if ended.used_up:
            return f"it took more than {seconds:g} s of a processor to verify"
        return f"the process that verified it {ended.what}"


def _refused(claimed: ClaimedFile, why: str) -> Refused:
    return Refused(
        f"{claimed.filename} cannot be verified within the limits for one file",
        details=[why],
        hint="build the file again, with the usual tools; if it has to be like that, split it",
    )


def _end(children: list[Respondent]) -> None:
    while (child := _taken(children)) is not None:
        child.end()


def _taken(children: list[Respondent]) -> Respondent | None:
    """One of them, which nobody else gets; None when there is none."""
    # Taken without a look beforehand: between the two, another thread could take the last one.
    try:
        return children.pop()
    except IndexError:
        return None
