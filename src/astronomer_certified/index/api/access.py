"""Requests -> one line of JSON each, in a file. Written in lots: it costs a busy server little."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import IO

from astronomer_certified.errors import PublishError

# Lines. The server writes what there is once a second; so many in a second are written before.
_LOT = 500


class Log:
    """An access log; one to None costs nothing. From any thread."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.wanted = stream is not None
        self._stream = stream
        self._lines: list[str] = []
        self._lock = threading.Lock()

    @classmethod
    def to(cls, path: Path | None) -> Log:
        """A log that is added to the file at `path`, or none at all. Line by line, so that workers may share it.

        PublishError when the file cannot be written.
        """
        try:
            return cls(path.open("a", encoding="utf-8") if path is not None else None)
        except OSError as err:
            raise PublishError(
                f"{path} cannot be the access log", details=[str(err)], hint="name a file that this user may write to"
            ) from err

    def add(self, peer: str, method: str, target: str, status: int, size: int, **more: object) -> None:
        """One answer is noted: `size` is that of its body in bytes. It is written at the next `flush`."""
        values = {
            "time": round(time.time(), 3), "peer": peer, "method": method, "target": target, "status": status,
            "bytes": size, **more,
        }  # fmt: skip
        with self._lock:
            self._lines.append(json.dumps(values))
            full = len(self._lines) >= _LOT
        if full:
            self.flush()

    def flush(self) -> None:
        """What was added is on its way. Never fails: a full disk must not stop the reading."""
        with self._lock:
            lines, self._lines = self._lines, []
        if not lines or self._stream is None:
            return
        try:
            # Outside of the lock: a slow disk must not stop those who add.
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
        # ValueError: it is closed already.
        except (OSError, ValueError):
            return

    def close(self) -> None:
        """What was noted is written, and the file closed."""
        self.flush()
        if self._stream is not None:
            self._stream.close()
