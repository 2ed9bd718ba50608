"""argv of a worker process -> an index that answers on an inherited socket. Started by `workers` only."""

from __future__ import annotations

import sys

from .workers import work

if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
