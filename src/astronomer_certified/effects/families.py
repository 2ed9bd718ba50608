"""A process and all that it started, at any depth, groups and sessions of their own included: proc(5)."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Born:
    """A process: its number, and when it began, in ticks since the machine did; numbers are given out again."""

    pid: int
    ticks: int


def of(pid: int) -> list[Born]:
    """The process of that number and all that it started; empty when there is none."""
    children: dict[int, list[Born]] = {}
    found = []
    for place in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            parent, born = _born(place)
            children.setdefault(parent, []).append(born)
            found += [born] if born.pid == pid else []
    for born in found:
        found += children.get(born.pid, [])
    return found


def tell(processes: Sequence[Born], number: int) -> None:
    """Each of these processes that has not ended gets a signal."""
    for born in processes:
        with contextlib.suppress(OSError):
            if _born(_PROC / str(born.pid))[1] == born:
                os.kill(born.pid, number)


def kill(pid: int) -> int:
    """SIGKILL for a process and all that it started, as when its host dies; how many processes that were."""
    stopped: list[Born] = []
    # Stopped first, or those that are not dead yet would see the others die, and start new ones.
    while fresh := [born for born in of(pid) if born not in stopped]:
        tell(fresh, signal.SIGSTOP)
        stopped += fresh
    tell(stopped, signal.SIGKILL)
    return len(stopped)


def _born(place: Path) -> tuple[int, Born]:
    """The number of the parent of a process, and the process. Raises OSError when it has ended."""
    # The name, in brackets, may hold anything; then come the state, the parent and so on.
    fields = (place / "stat").read_bytes().rpartition(b")")[2].split()
    return int(fields[1]), Born(int(place.name), int(fields[19]))
