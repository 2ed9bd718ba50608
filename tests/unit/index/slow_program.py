"""A program that answers each line with itself, in capitals; but for "hang" and "end"."""

import signal
import sys

for line in sys.stdin.buffer:
    if line == b"hang\n":
        signal.alarm(1)
        signal.pause()
    if line == b"end\n":
        break
    sys.stdout.buffer.write(line.upper())
    sys.stdout.buffer.flush()
