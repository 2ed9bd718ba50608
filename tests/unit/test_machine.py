"""How much of a machine there is to use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from astronomer_certified.effects import machine

GIB = 1 << 30


@pytest.fixture(autouse=True)
def _eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


def says(root: Path, path: str, text: str) -> Path:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return root


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000\n", 8), ("200000 100000\n", 2), ("150000 100000\n", 2), ("50000 100000\n", 1), ("900000 100000", 8)],
)
def test_a_quota_counts(tmp_path: Path, quota: str, cores: int) -> None:
    assert machine.cores(says(tmp_path, "sys/fs/cgroup/cpu.max", quota)) == cores


def test_where_nothing_is_said_all_processors_are_used(tmp_path: Path) -> None:
    assert machine.cores(tmp_path) == 8
    assert machine.at_once(GIB, tmp_path) == 8


def test_work_needs_memory(tmp_path: Path) -> None:
    free = f"MemTotal: 99999999 kB\nMemAvailable:   {5 * GIB // 1024} kB\nBuffers: 1 kB\n"
    root = says(tmp_path, "proc/meminfo", free)

    assert machine.at_once(2 * GIB, root) == 2
    assert machine.at_once(GIB // 8, root) == 8
    assert machine.at_once(6 * GIB, root) == 1


def test_a_limit_of_memory_counts_without_what_is_taken(tmp_path: Path) -> None:
    root = says(tmp_path, "proc/meminfo", f"MemAvailable: {50 * GIB // 1024} kB\n")
    says(root, "sys/fs/cgroup/memory.max", f"{8 * GIB}\n")
    says(root, "sys/fs/cgroup/memory.current", f"{2 * GIB}\n")

    assert machine.at_once(2 * GIB, root) == 3
    # What was read is kept in memory as long as nobody needs it.
    says(root, "sys/fs/cgroup/memory.stat", f"anon 1\ninactive_file {2 * GIB}\nactive_file 3\n")
    assert machine.at_once(2 * GIB, root) == 4
    says(root, "sys/fs/cgroup/memory.max", "max\n")
    assert machine.at_once(2 * GIB, root) == 8
