"""Lines for people: what no terminal shows as a sign, or takes for an order, is written in its escaped form."""

import sys


def printable(text):
    """The text on one line. Names of files and words of others may have line feeds, colours and half characters."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def line(text, stream=None):
    """Prints the text as one line, in any encoding. Raises OSError where nobody takes it."""
    stream = stream or sys.stdout
    encoding = stream.encoding or "ascii"
    print(printable(text).encode(encoding, "backslashreplace").decode(encoding), file=stream)
