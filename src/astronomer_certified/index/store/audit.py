"""Who did what to the index -> one line of JSON each, on disk before the deed is acknowledged."""

from __future__ import annotations

import errno
import fcntl
import getpass
import json
import os
import time

from .records import timestamp
from .store import Store


class Audit:
    """`.records/audit.jsonl` of a store. Lines are added in turn, so processes may share it."""

    def __init__(self, store: Store) -> None:
        self._path = store.records / "audit.jsonl"
        self._read_only = store.read_only

    def note(self, deed: str, **values: object) -> None:
        """The deed is on disk. Raises OSError when there is no room for all of it; then nothing of it is there.

        In a store that is read-only nothing can be noted: all that happens there is that deeds are refused.
        """
        if self._read_only:
            return
        line = f"{json.dumps({'time': timestamp(time.time()), 'deed': deed, **values})}\n".encode()
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            # O_APPEND alone puts each line at the end. The lock is for taking half a line back: nobody else's may
            # follow it.
            fcntl.flock(handle, fcntl.LOCK_EX)
            before = os.fstat(handle).st_size
            if os.write(handle, line) < len(line):
                # The next deed would be glued to half of this one.
                os.ftruncate(handle, before)
                raise OSError(errno.ENOSPC, "there is no room for a line of the audit log", str(self._path))
            os.fdatasync(handle)
        finally:
            os.close(handle)


def operator() -> str:
    """Who sits at the command line."""
    try:
        return f"{getpass.getuser()} (command line)"
    # A uid without a name, as in many containers: KeyError up to Python 3.12, OSError from 3.13 on.
    except (KeyError, OSError):
        return f"uid {os.getuid()} (command line)"
