"""A process with all that it started, and what becomes of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from astronomer_certified.effects import families
from astronomer_certified.effects.datagrams import Datagrams

# A child with a session of its own, which has a child, which has left the group of its parent, too.
NESTED = """
import os, subprocess, sys, time
depth = int(sys.argv[1])
if depth:
    subprocess.Popen([sys.executable, "-c", sys.argv[2], str(depth - 1), sys.argv[2]], start_new_session=True)
time.sleep(60)
"""


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie, which nobody has waited for, is dead.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_family_is_killed_with_what_left_its_group() -> None:
    with subprocess.Popen([sys.executable, "-c", NESTED, "2", NESTED], start_new_session=True) as process:
        until(lambda: len(families.of(process.pid)) == 3)
        pids = [born.pid for born in families.of(process.pid)]

        assert pids[0] == process.pid
        assert families.kill(process.pid) == 3
        assert process.wait(20) == -signal.SIGKILL
        until(lambda: not any(map(alive, pids[1:])))


def test_nobody_is_the_family_of_a_process_that_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert families.of(process.pid) == []
    assert families.kill(process.pid) == 0


def test_a_number_that_was_given_out_again_gets_no_signal() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        [born] = families.of(process.pid)
        families.tell([families.Born(born.pid, born.ticks - 1)], signal.SIGKILL)
        time.sleep(0.1)

        assert process.poll() is None
        families.tell([born], signal.SIGKILL)
        assert process.wait(20) == -signal.SIGKILL


def test_datagrams_are_kept_in_the_order_in_which_they_came() -> None:
    with Datagrams() as taken, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for text in ("airflow.ti_successes:1|c", "airflow.é:2|g"):
            sender.sendto(text.encode(), ("127.0.0.1", taken.port))
        until(lambda: len(taken.kept()) == 2)

        assert taken.kept() == ["airflow.ti_successes:1|c", "airflow.é:2|g"]
