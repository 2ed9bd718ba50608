"""Processes that run beside the checks of a level: started by name, killed as a host dies, all ended at the end."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.effects import families
from astronomer_certified.effects.processes import Running, background
from astronomer_certified.errors import CommandFailed

_LAST = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class _Daemon:
    stack: contextlib.ExitStack
    running: Running
    log: Path


class Daemons:
    """The processes of one deployment, by name."""

    def __init__(self, cwd: Path, logs: Path) -> None:
        """They are started in the folder `cwd`, and their logs are in `logs`."""
        self._cwd = cwd
        self._logs = logs
        self._running: dict[str, _Daemon] = {}
        self._starts = 0

    def start(self, name: str, words: Sequence[str | Path], env: Mapping[str, str]) -> None:
        """It runs from now on, under a name that no other has now. What it prints is in a log that has its name."""
        self._starts += 1
        log = self._logs / f"{name}-{self._starts}.log"
        stack = contextlib.ExitStack()
        running = stack.enter_context(background(words, cwd=self._cwd, env=env, log=log))
        self._running[name] = _Daemon(stack=stack, running=running, log=log)

    def stop(self, name: str) -> None:
        """It is asked to end, and ended when it does not; what it started and what left its group is ended, too."""
        daemon = self._running.pop(name)
        family = families.of(daemon.running.pid)
        daemon.stack.close()
        families.tell(family, signal.SIGKILL)

    def kill(self, name: str) -> int:
        """SIGKILL for it and all that it started, as when its host dies; how many processes that were.

        A task runs in a process group of its own, and would outlive the worker that started it.
        """
        daemon = self._running.pop(name)
        count = families.kill(daemon.running.pid)
        daemon.stack.close()
        return count

    def check(self) -> None:
        """Raises `CommandFailed` for one that has ended by itself, with the last lines that it printed."""
        for name, daemon in self._running.items():
            if not daemon.running():
                last = daemon.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST:]
                raise CommandFailed(f"the {name} has ended", details=last, hint=f"the whole output is in {daemon.log}")

    def wait(self, what: str, until: Callable[[], bool], patience: float) -> None:
        """Something holds, which is looked at four times a second.

        Raises `CommandFailed` when it took too long, and when one of these processes has ended.
        """
        start = time.monotonic()
        while not until():
            self.check()
            if time.monotonic() - start > patience:
                raise CommandFailed(
                    f"waited {patience:g} s for {what}", hint=f"what each process printed is in {self._logs}"
                )
            time.sleep(0.25)

    def close(self) -> None:
        """All have ended, the last that was started first."""
        for name in reversed(list(self._running)):
            self.stop(name)
