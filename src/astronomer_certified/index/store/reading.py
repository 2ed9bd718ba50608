"""Paths in a store -> the records, names and bytes that lie there, or why they cannot be read. Only reads."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path

from packaging.utils import NormalizedName

from astronomer_certified.errors import PublishError

from .records import ProjectRecord
from .validation import LONGEST

# As PEP 503 spells it. By the thousand, so not asked of `packaging`.
_NORMALIZED = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

# Bytes of a record: of a project with a million files.
_LONGEST_RECORD = 512 << 20

# What says nothing of a file: the process, or the machine, has no more of something now.
_FOR_NOW = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def record(path: Path, name: NormalizedName) -> ProjectRecord | None:
    """The record of the project at `path`; None when there is none. PublishError when it cannot be read: a folder, a
    pipe, rights, a disk, or anything in it."""
    try:
        with regular(path, links=True) as stream:
            if os.fstat(stream.fileno()).st_size > _LONGEST_RECORD:
                raise PublishError(f"a record of the index has more than {_LONGEST_RECORD} bytes")
            return ProjectRecord.from_json(stream.read(), name)
    except FileNotFoundError:
        return None
    except OSError as err:
        if err.errno in _FOR_NOW:
            raise
        raise _unreadable(path, "a record of the index cannot be read", [err.strerror or str(err)]) from err
    except PublishError as err:
        raise _unreadable(path, err.what, err.details) from err


def _unreadable(path: Path, what: str, details: Iterable[str]) -> PublishError:
    hint = "restore it from a backup; the files themselves are untouched"
    return PublishError(f"{path}: {what}", details=details, hint=hint)


def names(path: Path) -> list[NormalizedName]:
    """The names on the list at `path`, each once, in alphabetical order; no line that is none. OSError."""
    # One that is damaged is made again from the records, at the next start.
    words = path.read_bytes().decode("utf-8", "replace").split()
    # A name may be there twice: `integrity` may have added it just before its writer did.
    return sorted(name for word in set(words) if (name := is_name(word)) is not None)


def is_name(text: str) -> NormalizedName | None:
    """The text, if it is a project's normalized name; None for any other."""
    return NormalizedName(text) if len(text) <= LONGEST and _NORMALIZED.fullmatch(text) else None


def regular(path: Path, *, links: bool = False) -> BufferedReader:
    """The file, open for reading. OSError for anything else: what a link leads to may change behind our back, and a
    pipe or a device may never end. A folder of files may well be a link as a whole. `links` are followed on demand."""
    # O_NONBLOCK: opening a pipe would else wait for a writer, before anybody could see that it is one.
    handle = os.open(path, os.O_RDONLY | (0 if links else os.O_NOFOLLOW) | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))
    return os.fdopen(handle, "rb")


def whole(path: Path, sha256: str) -> bool:
    """Whether the file at `path` has these bytes; no when it cannot be read, or is a link."""
    try:
        with regular(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
    except OSError:
        return False
