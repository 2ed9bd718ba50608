"""Who did what to the index -> one line of JSON each, on disk before the deed is acknowledged."""

from __future__ import annotations

import getpass
import json
import os
import time

from .records import timestamp
from .store import Store


class Audit:
    """`.records/audit.jsonl` of a store. Lines are added by one write each, so processes may share it."""

    def __init__(self, store: Store) -> None:
        self._path = store.records / "audit.jsonl"

    def note(self, deed: str, **values: object) -> None:
        line = json.dumps({"time": timestamp(time.time()), "deed": deed, **values})
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            os.write(handle, f"{line}\n".encode())
            os.fdatasync(handle)
        finally:
            os.close(handle)


def operator() -> str:
    """Who sits at the command line."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return f"uid {os.getuid()} (command line)"
