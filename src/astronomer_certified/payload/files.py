"""Files that appear whole or not at all: written beside, fsynced, then put in place."""

import contextlib
import os
import tempfile


def write_new(path, text, mode=0o600):
    """The file is there with that text, readable as `mode` says from its first byte. Raises FileExistsError for one
    that is there already, and OSError."""
    beside = _beside(path, text, mode)
    try:
        # Unlike a rename, a link never replaces anything, whoever else writes at this moment.
        os.link(beside, path)
    finally:
        os.unlink(beside)
    _sync_folder(path)


def replace(path, text, mode=0o600):
    """The file has that text; the one before is kept. Returns the path of what was kept. Raises OSError."""
    # Through a link to the file itself: the link stays.
    path = os.path.realpath(path)
    with open(path, "rb") as stream:
        before = stream.read()
    kept = _keep(path, before)
    beside = _beside(path, text, mode)
    try:
        os.rename(beside, path)
    except OSError:
        os.unlink(beside)
        raise
    _sync_folder(path)
    return kept


def _keep(path, content):
    """The content as the next free one of PATH.before-1, PATH.before-2 …, for its owner only: it may have keys."""
    number = 1
    while True:
        kept = "{}.before-{}".format(path, number)
        try:
            write_new(kept, content)
        except FileExistsError:
            number += 1
        else:
            return kept


def _beside(path, content, mode):
    """A new file in the same folder. mkstemp makes it for the owner only, so nobody reads what is being written."""
    content = content if isinstance(content, bytes) else content.encode("utf-8")
    descriptor, beside = tempfile.mkstemp(prefix=".astronomer-certified-", dir=os.path.dirname(os.path.abspath(path)))
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    return beside


def _sync_folder(path):
    descriptor = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
