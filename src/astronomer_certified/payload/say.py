"""Lines for people: what no terminal shows as a sign, or takes for an order, is written in its escaped form."""

import errno
import json
import os
import sys


def printable(text):
    """The text on one line. Names of files and words of others may have line feeds, colours and half characters."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def line(text):
    """The text is a line of standard output, in any encoding. Raises OSError where nobody takes it."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    sys.stdout.write(_encodable(text, sys.stdout) + "\n")


def json_of(value):
    """The value is JSON on standard output. Raises OSError where nobody takes it."""
    for each in json.dumps(value, indent=1).split("\n"):
        line(each)


def aside(text):
    """The text is a line of standard error. What that does not take is lost: nobody is left to be told."""
    try:
        sys.stderr.write(_encodable(text, sys.stderr) + "\n")
        sys.stderr.flush()
    except (AttributeError, OSError):
        forget(sys.stderr)


def forget(stream):
    """What waits in the stream goes nowhere, or Python would complain of it when it ends, with status 120."""
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
    except (AttributeError, OSError, ValueError):
        # It was closed before, or is none of the process.
        pass


def _encodable(text, stream):
    encoding = stream.encoding or "ascii"
    return printable(text).encode(encoding, "backslashreplace").decode(encoding)
