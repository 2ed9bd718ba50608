"""A setup on stdin, a socket that argv names -> an index that answers on it. Started by `workers` only."""

from __future__ import annotations

import sys

from .workers import work

if __name__ == "__main__":
    work(sys.stdin.read(), int(sys.argv[1]), int(sys.argv[2]))
