"""Standard streams as the caller left them -> streams that every verb can print to. Touches descriptors 0, 1 and 2.

What the terminal's encoding lacks is shown as `\\xfc` or `\\u2014`; bytes of file names that are no text go out as they
are. What stdout does not take, because it is closed or its disk is full, is an error that names it. What stderr does
not take is lost: nobody is left to be told.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_SHOWN = "astronomer-certified.shown"


def prepare() -> None:
    """stdin, stdout and stderr are there, whatever the caller closed. Streams that a test has put there are left."""
    for number in range(3):
        _keep_open(number)
    codecs.register_error(_SHOWN, _shown)
    # Python has None for a stream whose descriptor was closed when it started.
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  open until the process ends
    if sys.stdout is sys.__stdout__:
        sys.stdout = _printing_to(sys.stdout, _Output(1))
    if sys.stderr is sys.__stderr__:
        sys.stderr = _printing_to(sys.stderr, _Output(2, heard=False))


def refusal() -> OSError | None:
    """Why not all that was printed on stdout went out; None when it did."""
    try:
        sys.stdout.flush()
    except OSError as err:
        return err
    output = _raw(sys.stdout)
    return output.refusal if isinstance(output, _Output) else None


class _Output(io.FileIO):
    """A descriptor that names itself when it takes no more. From then on it takes everything, and keeps nothing."""

    def __init__(self, number: int, *, heard: bool = True) -> None:
        super().__init__(number, "wb", closefd=False)
        self._heard = heard
        self.refusal: OSError | None = None

    def write(self, piece: ReadableBuffer, /) -> int:
        size = memoryview(piece).nbytes
        # Else the flush at the end of the interpreter would fail again, and make the status 120.
        if self.refusal is not None:
            return size
        try:
            return super().write(piece)
        except OSError as err:
            # The error of a write names no file.
            err.filename = "standard output"
            self.refusal = err
            if self._heard:
                raise
            return size


def _keep_open(number: int) -> None:
    """Whatever is opened next does not get the number of a closed stream, and with it what is meant for that."""
    try:
        os.fstat(number)
    except OSError:
        # The lowest free number. stdout is for reading only, so that printing fails as it does on what is closed.
        os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
        # Python makes what it opens private (PEP 446), but programs that are started expect their three streams.
        os.set_inheritable(number, True)


def _printing_to(stream: Any, output: _Output) -> TextIO:
    """A stream like that one, which the interpreter has made (None: of a descriptor that was closed)."""
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(output), "utf-8", _SHOWN, line_buffering=True)
    stream.flush()
    # `python -u` asks for no buffer between.
    buffer: Any = output if stream.write_through else io.BufferedWriter(output)
    return io.TextIOWrapper(
        buffer, stream.encoding, _SHOWN, line_buffering=stream.line_buffering, write_through=stream.write_through
    )


def _raw(stream: Any) -> object:
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)


def _shown(error: UnicodeError) -> tuple[bytes, int]:
    """What stands for characters that an encoding lacks (PEP 293). Some are bytes of a file name (PEP 383)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    shown = b"".join(
        bytes([ord(letter) - 0xDC00]) if 0xDC80 <= ord(letter) <= 0xDCFF else letter.encode("ascii", "backslashreplace")
        for letter in lacking
    )
    return shown, error.end
