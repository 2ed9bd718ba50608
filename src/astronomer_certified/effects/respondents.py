"""Programs that answer questions: over their standard streams, one after the other."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from astronomer_certified.errors import CommandFailed

from .processes import ending

# Bytes of an answer that are read at once; seconds that a program has to end when its input has.
_PIECE = 1 << 20
_MOMENT = 0.2


class Ended(CommandFailed):
    """A program that ended, or was ended, instead of giving an answer; `what` says how."""

    def __init__(self, status: int | None) -> None:
        """`status` as in `subprocess`, negative for a signal; None when it gave no answer in time."""
        super().__init__("gave no answer in time" if status is None else ending(status))
        self.status = status

    @property
    def used_up(self) -> bool:
        """Whether it had no processor time left (RLIMIT_CPU)."""
        return self.status == -signal.SIGXCPU


class Respondent:
    """A program that answers one question after the other, over its standard streams; for one thread at a time.

    An answer is its length, in eight bytes, and then so many bytes. The program is to end when its input does, which
    happens at the latest when this process ends, however it ends.
    """

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], silent: bool = False) -> None:
        """The program is started; of a `silent` one, nobody hears what it complains of. Raises OSError."""
        self.asked = 0
        self._process = subprocess.Popen(
            # No buffer: `_exactly` polls and reads the descriptor, and would not see what a buffer holds.
            argv, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            stderr=subprocess.DEVNULL if silent else None,
        )  # fmt: skip

    def waits(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def ask(self, question: bytes, *, timeout: float, longest: int) -> bytes:
        """The answer, of at most `longest` bytes. Raises `Ended`, and then there are no more answers."""
        self.asked += 1
        until = time.monotonic() + timeout
        try:
            self._tell(question, until)
            size = int.from_bytes(self._exactly(8, until), "big")
            # As one that never comes: the program is ended, and nothing is read of it.
            if size > longest:
                raise TimeoutError
            return self._exactly(size, until)
        except (TimeoutError, BrokenPipeError, EOFError) as err:
            late = isinstance(err, TimeoutError)
            status = self.end()
            raise Ended(None if late else status) from err

    def _tell(self, question: bytes, until: float) -> None:
        assert self._process.stdin is not None  # PIPE, above
        number = self._process.stdin.fileno()
        # Not blocking: a program that has stopped reading must not stop whoever asks, once the pipe is full.
        os.set_blocking(number, False)
        ready = select.poll()
        ready.register(number, select.POLLOUT)
        while question:
            if not ready.poll(max(0.0, until - time.monotonic()) * 1000):
                raise TimeoutError
            question = question[os.write(number, question) :]

    def _exactly(self, size: int, until: float) -> bytes:
        assert self._process.stdout is not None  # PIPE, above
        number = self._process.stdout.fileno()
        content = bytearray()
        ready = select.poll()
        ready.register(number, select.POLLIN)
        while len(content) < size:
            if not ready.poll(max(0.0, until - time.monotonic()) * 1000):
                raise TimeoutError
            piece = os.read(number, min(size - len(content), _PIECE))
            if not piece:
                raise EOFError
            content += piece
        return bytes(content)

    def kill(self) -> None:
        """It ends, whatever it is asked; from any thread. Who has asked gets `Ended`."""
        self._process.kill()

    def end(self) -> int:
        """Its status, once it is gone: at once, whatever it does."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        # First a moment to end by itself: killed at once, it could not show that it had run out of processor time.
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process.poll() is None:
                self._process.wait(_MOMENT)
        self._process.kill()
        status = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return status
