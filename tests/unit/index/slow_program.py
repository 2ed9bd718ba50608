"""A program that answers each line with itself, in capitals, after its length; but for "hang", "sleep" and "end"."""

import signal
import sys

for line in sys.stdin.buffer:
    if line == b"hang\n":
        signal.alarm(1)
        signal.pause()
    if line == b"sleep\n":
        signal.pause()
    if line == b"end\n":
        break
    answer = line.strip().upper()
    sys.stdout.buffer.write(len(answer).to_bytes(8, "big") + answer)
    sys.stdout.buffer.flush()
