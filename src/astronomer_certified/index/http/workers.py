"""A listening socket -> several processes that answer on it, and one that watches over them.

All of them accept from one socket, so a worker that dies or is replaced refuses nobody: its connections to come are
the others'. SIGHUP replaces the workers, one or many, by the next generation, and leaves the old ones an hour for the
downloads that they have begun; SIGTERM and SIGINT end them all, after 20 s at most.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from astronomer_certified.errors import CertifiedError, PublishError
from astronomer_certified.index.store import integrity
from astronomer_certified.index.store.integrity import Finding
from astronomer_certified.index.store.store import Store

from .options import Setup
from .server import PATIENCE, Server, listen, listen_at, serve_forever, url_of

# Seconds until a worker that does not end is killed.
_PATIENCE = PATIENCE + 10

_READY = "ready"
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an index answers: on a host's port, or at the path of a Unix socket."""

    host: str = "127.0.0.1"
    port: int = 0
    unix: Path | None = None

    def listen(self) -> socket.socket:
        """A socket that listens there. Raises `PublishError`."""
        return listen(self.host, self.port) if self.unix is None else listen_at(self.unix)


def supervise(setup: Setup, place: Place, *, workers: int, ready: Callable[[str, tuple[Finding, ...]], None]) -> None:
    """The workers answer until SIGTERM or SIGINT; `ready` gets the address and what was found once all of them do.

    Raises PublishError when the store or the place cannot be had, or a worker does not start.
    """
    store = Store.open(setup.store, reading=True)
    # Before the first worker: no signal is lost while they start, and they inherit the mask.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        with place.listen() as listening, tempfile.TemporaryDirectory(prefix="certified-index-") as shared:
            here = setup.at(url_of(listening))
            options = replace(here.options, reconciled=True, metrics_folder=Path(shared))
            watch = _Watch(replace(here, options=options), listening, workers)
            try:
                # Python takes as long to start as the store to be looked over: both at the same time.
                watch.spawn()
                findings = integrity.reconcile(store)
                watch.wait()
                ready(str(here.options.public_url), findings)
                watch.run()
            finally:
                listening.close()  # whoever comes from here on is refused at once, and does not wait for nobody
                if place.unix is not None:
                    place.unix.unlink(missing_ok=True)
                watch.end([*watch.processes, *watch.leaving])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Watch:
    def __init__(self, setup: Setup, listening: socket.socket, workers: int) -> None:
        self._setup = setup
        self._listening = listening
        self._workers = workers
        self.processes: list[subprocess.Popen[str]] = []
        self.leaving: list[subprocess.Popen[str]] = []
        """Those of generations before, with what they have begun."""

    def spawn(self) -> None:
        for _ in range(self._workers):
            self.processes.append(self._spawn())

    def wait(self) -> None:
        """Returns once all answer. Raises `PublishError` when one does not start."""
        for process in self.processes:
            line = process.stdout.readline() if process.stdout is not None else ""
            if line.strip() != _READY:
                raise PublishError("a worker of the index did not start", hint="see its error above")

    def run(self) -> None:
        while True:
            # Signals that wait are not counted: one SIGCHLD may stand for several workers, so all are looked at each
            # time.
            got = signal.sigtimedwait(_SIGNALS, 1)
            number = got.si_signo if got is not None else None
            if number in (signal.SIGTERM, signal.SIGINT):
                return
            if number == signal.SIGHUP:
                self._replace()
            self._revive()

    def _replace(self) -> None:
        """New workers answer before the old ones are told to go. Files laid into the store by hand are looked at."""
        integrity.reconcile(Store.open(self._setup.store, reading=True))
        old, self.processes = self.processes, []
        try:
            self.spawn()
            self.wait()
        except PublishError as err:
            print(f"certified: {err}; the old workers stay", file=sys.stderr, flush=True)
            self.end(self.processes)
            self.processes = old
            return
        for process in old:
            process.send_signal(signal.SIGHUP)
        self.leaving += old

    def _revive(self) -> None:
        for process in [process for process in self.leaving if process.poll() is not None]:
            self.leaving.remove(process)
            _forget(process)
        dead = [process for process in self.processes if process.poll() is not None]
        for process in dead:
            self.processes.remove(process)
            _forget(process)
            print(f"certified: a worker ended with status {process.returncode}; starting another", file=sys.stderr)
            time.sleep(0.2)  # one that dies at once must not keep the machine busy
            self.processes.append(self._spawn())

    def _spawn(self) -> subprocess.Popen[str]:
        number = self._listening.fileno()
        words = [sys.executable, "-m", "astronomer_certified.index.http.worker"]
        # Not in argv, which every user of the machine can read: the address of upstream may hold a password. In memory,
        # and not in a pipe, which may be full before anybody reads it.
        with os.fdopen(os.memfd_create("setup"), "w", encoding="utf-8") as setup:
            setup.write(self._setup.to_json())
            setup.seek(0)
            # Its signals are taken from the mask that it inherits: none is lost before it listens to them.
            return subprocess.Popen(
                [*words, str(number), str(os.getpid())],
                pass_fds=[number],
                stdin=setup,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )

    def end(self, processes: list[subprocess.Popen[str]]) -> None:
        for process in processes:
            process.terminate()
        # All were told first: they have the same time, not one after the other.
        until = time.monotonic() + _PATIENCE
        for process in processes:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _forget(process)


def _forget(process: subprocess.Popen[str]) -> None:
    if process.stdout is not None:
        process.stdout.close()


def work(text: str, number: int, parent: int) -> None:
    """One worker, until it is told to end or its supervisor is gone. Why it could not start is on stderr."""
    setup = Setup.from_json(text)
    server = Server.of(setup, socket.socket(fileno=number))
    try:
        serve_forever(
            server,
            ready=lambda _: print(_READY, flush=True),
            wanted=lambda: os.getppid() == parent,
            drains=(signal.SIGHUP,),
        )
    except CertifiedError as err:
        print(f"certified: {err}", file=sys.stderr, flush=True)
