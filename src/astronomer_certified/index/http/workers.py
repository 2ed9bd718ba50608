"""A listening socket -> several processes that answer on it, and one that watches over them.

All of them accept from one socket, so a worker that dies or is replaced refuses nobody: its connections to come are
the others'. SIGHUP replaces the workers, one or many, by the next generation, and leaves the old ones an hour for the
downloads that they have begun; SIGTERM and SIGINT end them all, also while some of them start. What is under way has
18 s then; a worker that has not ended 6 s later is killed.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from astronomer_certified.effects.disk import folder_in_use
from astronomer_certified.errors import CertifiedError, PublishError
from astronomer_certified.index.store import integrity
from astronomer_certified.index.store.integrity import Finding
from astronomer_certified.index.store.store import Store

from .options import Setup
from .server import PATIENCE, Server, listen, listen_at, serve_forever, url_of

# Seconds until a worker that does not end is killed.
_PATIENCE = PATIENCE + 6

# Seconds in which a new worker must answer, on a machine that is as busy as can be; between two looks whether it does.
_START = 60.0
_LOOK = 0.05

_READY = "ready"
_SHARED = "certified-index-"
_ENDS = {signal.SIGTERM, signal.SIGINT}
_SIGNALS = {*_ENDS, signal.SIGHUP, signal.SIGCHLD}


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
        with place.listen() as listening, folder_in_use(_SHARED) as shared:
            here = setup.at(url_of(listening))
            options = replace(here.options, reconciled=True, metrics_folder=shared)
            watch = _Watch(replace(here, options=options), listening, workers)
            try:
                # Python takes as long to start as the store to be looked over: both at the same time.
                watch.spawn()
                looking = _Looking(store)
                if _until(looking.is_over) and _until(watch.answers):
                    ready(str(here.options.public_url), looking.findings)
                    watch.run()
            finally:
                listening.close()  # whoever comes from here on is refused at once, and does not wait for nobody
                if place.unix is not None:
                    place.unix.unlink(missing_ok=True)
                watch.end([*watch.processes, *watch.leaving])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _until(done: Callable[[], bool]) -> bool:
    """Whether it is done, once it is; False as soon as this process is told to end."""
    while not done():
        # The signals are blocked: who waited for anything else would not hear of them.
        if signal.sigtimedwait(_ENDS, _LOOK) is not None:
            return False
    return True


class _Looking(threading.Thread):
    """The store is looked over, in a thread for which nobody has to wait: a store may be broken off at any moment."""

    def __init__(self, store: Store) -> None:
        super().__init__(name="index store", daemon=True)
        self._store = store
        self._failure: Exception | None = PublishError("the store cannot be looked over", hint="see the error above")
        self.findings: tuple[Finding, ...] = ()
        self.start()

    def run(self) -> None:
        try:
            self.findings = integrity.reconcile(self._store)
            self._failure = None
        except (CertifiedError, OSError) as err:
            self._failure = err

    def is_over(self) -> bool:
        """Whether `findings` are all. Raises what went wrong."""
        if self.is_alive():
            return False
        if self._failure is not None:
            raise self._failure
        return True


class _Worker:
    """A process that answers, or is about to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._answers = False
        self._until = time.monotonic() + _START

    @property
    def answers(self) -> bool:
        """Whether it has said so by now."""
        if not self._answers and self.process.stdout is not None:
            said = select.poll()
            said.register(self.process.stdout, select.POLLIN)
            self._answers = bool(said.poll(0)) and self.process.stdout.readline().strip() == _READY
        return self._answers

    @property
    def hangs(self) -> bool:
        """Whether it should have said so by now."""
        return not self.answers and time.monotonic() > self._until

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    def tell_to_end(self) -> None:
        """What it has begun is ended; where nothing can have been begun, it is."""
        if self.answers:
            self.process.terminate()
        else:
            # It may hang, and what hangs hears nothing.
            self.process.kill()

    def end(self, seconds: float) -> None:
        """It has ended, by itself within so many seconds."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.forget()

    def forget(self) -> None:
        """Nobody listens to what it says."""
        if self.process.stdout is not None:
            self.process.stdout.close()


class _Watch:
    def __init__(self, setup: Setup, listening: socket.socket, workers: int) -> None:
        self._setup = setup
        self._listening = listening
        self._workers = workers
        self.processes: list[_Worker] = []
        self.leaving: list[_Worker] = []
        """Those of generations before, with what they have begun."""

    def spawn(self) -> None:
        for _ in range(self._workers):
            self.processes.append(self._spawn())

    def answers(self) -> bool:
        """Whether all do. Raises `PublishError` when one does not start, or not in time."""
        late = [worker for worker in self.processes if not worker.answers]
        if any(worker.ended for worker in late):
            raise PublishError("a worker of the index did not start", hint="see its error above")
        if any(worker.hangs for worker in late):
            raise PublishError(f"a worker of the index did not start within {_START:g} s")
        return not late

    def run(self) -> None:
        while True:
            # Signals that wait are not counted: one SIGCHLD may stand for several workers, so all are looked at each
            # time.
            got = signal.sigtimedwait(_SIGNALS, 1)
            number = got.si_signo if got is not None else None
            if number in _ENDS or (number == signal.SIGHUP and not self._replace()):
                return
            self._revive()

    def _replace(self) -> bool:
        """New workers answer before the old ones are told to go. Files laid into the store by hand are looked at.

        False when this process is told to end meanwhile.
        """
        old, self.processes = self.processes, []
        try:
            looking = _Looking(Store.open(self._setup.store, reading=True))
            looked = _until(looking.is_over)
            if looked:
                self.spawn()
            if not looked or not _until(self.answers):
                self.leaving += old
                return False
        except (PublishError, OSError) as err:
            print(f"certified: {err}; the old workers stay", file=sys.stderr, flush=True)
            self.end(self.processes)
            self.processes = old
            return True
        for worker in old:
            worker.process.send_signal(signal.SIGHUP)
        self.leaving += old
        return True

    def _revive(self) -> None:
        for worker in [worker for worker in self.leaving if worker.ended]:
            self.leaving.remove(worker)
            worker.forget()
        for worker in self.processes:
            if worker.hangs:
                worker.process.kill()  # and it is replaced as soon as it is gone
        for worker in [worker for worker in self.processes if worker.ended]:
            self.processes.remove(worker)
            worker.forget()
            status = worker.process.returncode
            print(f"certified: a worker ended with status {status}; starting another", file=sys.stderr)
            time.sleep(0.2)  # one that dies at once must not keep the machine busy
            self.processes.append(self._spawn())

    def _spawn(self) -> _Worker:
        number = self._listening.fileno()
        words = [sys.executable, "-m", "astronomer_certified.index.http.worker", str(number), str(os.getpid())]
        # Not in argv, which every user of the machine can read: the address of upstream may hold a password. In memory,
        # and not in a pipe, which may be full before anybody reads it.
        with os.fdopen(os.memfd_create("setup"), "w", encoding="utf-8") as setup:
            setup.write(self._setup.to_json())
            setup.seek(0)
            # Its signals are taken from the mask that it inherits: none is lost before it listens to them.
            return _Worker(
                subprocess.Popen(words, pass_fds=[number], stdin=setup, stdout=subprocess.PIPE, encoding="utf-8")
            )

    def end(self, workers: list[_Worker]) -> None:
        for worker in workers:
            worker.tell_to_end()
        # All were told first: they have the same time, not one after the other.
        until = time.monotonic() + _PATIENCE
        for worker in workers:
            worker.end(max(0.1, until - time.monotonic()))


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
