"""Files that appear whole or not at all: written beside, fsynced, then put in place."""

import configparser
import contextlib
import os
import stat
import tempfile
import time

from .refusals import Refused

# Bytes: no file that is read here is nearly as long.
_LIMIT = 1 << 20
_OURS = ".astronomer-certified-"
# Seconds, after which nobody writes any more what was begun.
_STALE = 3600
# As many as the kernel follows.
_LINKS = 40


def content(path):
    """The bytes of an ordinary file of a sensible size, and its `os.stat_result`. Raises OSError, also for any other:
    a pipe would be waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(None, "is no ordinary file", path)
        found = stream.read(_LIMIT + 1)
        if len(found) > _LIMIT:
            raise OSError(None, "has more than {} bytes".format(_LIMIT), path)
    return found, status


def text(path):
    """The text of an ordinary file, as of `content`. Raises OSError and UnicodeDecodeError."""
    return content(path)[0].decode("utf-8")


def why_unread(err):
    """What went wrong while settings were read, in words without what they say: it may be secret."""
    if isinstance(err, configparser.Error):
        lines = [err.lineno] if hasattr(err, "lineno") else [line for line, _ in getattr(err, "errors", ())]
        return "line {} is no setting".format(lines[0]) if lines else "it is no file of settings"
    if isinstance(err, UnicodeDecodeError):
        return "it is no UTF-8"
    return err.strerror or str(err)


def refuse_links_of_others(path):
    """Raises Refused where a link on the way to a path was made by another user, who could lead root to any file."""
    at, parts, links = "/", os.path.join(os.getcwd(), path).split("/"), 0
    while parts:
        part = parts.pop(0)
        step = os.path.dirname(at) if part == ".." else os.path.join(at, part)
        if part in ("", "."):
            continue
        try:
            status = os.lstat(step)
        except OSError:
            # What is not there leads nowhere; who opens the path is told.
            return
        if not stat.S_ISLNK(status.st_mode):
            at = step
            continue
        links += 1
        if status.st_uid not in (0, os.geteuid()):
            raise Refused("{} is a link that another user has made; remove it first".format(step))
        if links > _LINKS:
            return
        to = os.readlink(step)
        at, parts = "/" if to.startswith("/") else at, to.split("/") + parts


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
    """The file has that text; the one before is kept. Returns the path of what was kept. A group that could read it
    can do so still. Raises OSError, and Refused for a link of somebody else's."""
    refuse_links_of_others(path)
    # Through a link to the file itself: the link stays.
    path = os.path.realpath(path)
    # Never in place of a device, to which a link may lead.
    before, status = content(path)
    kept = _keep(path, before)
    beside = _beside(path, text, mode, status)
    try:
        os.rename(beside, path)
    except OSError:
        os.unlink(beside)
        raise
    _sync_folder(path)
    return kept


def _keep(path, before):
    """These bytes as the next free one of PATH.before-1, PATH.before-2 …, for its owner only: it may have keys."""
    number = 1
    while True:
        kept = "{}.before-{}".format(path, number)
        try:
            write_new(kept, before)
        except FileExistsError:
            number += 1
        else:
            return kept


def _beside(path, written, mode, before=None):
    """A new file in the same folder. mkstemp makes it for the owner only, so nobody reads what is being written."""
    written = written if isinstance(written, bytes) else written.encode("utf-8")
    folder = os.path.dirname(os.path.abspath(path))
    _sweep(folder)
    descriptor, beside = tempfile.mkstemp(prefix=_OURS, dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(written)
            stream.flush()
            # Where everybody could read it, nobody has thought of a group.
            if before is not None and before.st_mode & (stat.S_IRGRP | stat.S_IROTH) == stat.S_IRGRP:
                with contextlib.suppress(OSError):
                    os.fchown(stream.fileno(), -1, before.st_gid)
                    mode |= stat.S_IRGRP
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    return beside


def _sweep(folder):
    """What a process of ours has left there that was killed while it wrote: it may have keys."""
    try:
        names = [name for name in os.listdir(folder) if name.startswith(_OURS)]
    except OSError:
        return
    for name in names:
        path = os.path.join(folder, name)
        # Somebody else may sweep as well.
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            is_ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
            if is_ours and status.st_mtime < time.time() - _STALE:
                os.unlink(path)


def _sync_folder(path):
    descriptor = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
