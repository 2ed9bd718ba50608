"""What of this machine the tool may use: processors, and free memory. Linux says it in files below /proc and /sys."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

_ROOT = Path("/")
_LIMITS = "sys/fs/cgroup"
_KIB = 1024


def cores(root: Path = _ROOT) -> int:
    """The processors that this process may use, at least 1: those of the machine, or fewer where it was given fewer
    (a container's quota, cgroup version 2; taskset)."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read(root / _LIMITS / "cpu.max").partition(" ")
    return max(1, min(mine, math.ceil(int(quota) / int(period)))) if quota.isdigit() else mine


def at_once(each: int, root: Path = _ROOT) -> int:
    """How many pieces of work run at once, at least 1: one for each processor, if there are `each` bytes of free memory
    for every one of them. Where nothing says how much there is, memory is not looked at."""
    free = [int(found) * _KIB for found in re.findall(r"MemAvailable:\s*(\d+) kB", _read(root / "proc/meminfo"))]
    most, now, parts = (_read(root / _LIMITS / f"memory.{name}") for name in ("max", "current", "stat"))
    if most.isdigit() and now.isdigit():
        # Files that were read count as taken, and are given back when somebody needs it.
        given_back = sum(map(int, re.findall(r"^inactive_file (\d+)$", parts, re.MULTILINE)))
        free.append(int(most) - int(now) + given_back)
    return max(1, min([cores(root), *(found // each for found in free)]))


def _read(path: Path) -> str:
    """The text of a file; nothing where there is none, as on other systems."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
