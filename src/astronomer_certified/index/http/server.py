"""Setup -> an index that answers on a port or a Unix socket, in a thread of this process. Runs `app` on uvicorn.

uvicorn has the event loop, the parser and the protocol; `connection` says who may stay connected; here is how it
starts, how it is told to go, and what becomes of what is under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from astronomer_certified.errors import PublishError
from astronomer_certified.index.store import integrity
from astronomer_certified.index.store.integrity import Finding
from astronomer_certified.index.store.store import Store

from .options import PROTECTED, Options, Setup

_BACKLOG = 1024
_DEFAULTS = Options()

# Seconds for what is under way when the server is told to end.
PATIENCE = 18.0

# Seconds for it when others answer already: a large file may take that long.
DRAINING = 3600.0

_LOOK = 0.2
_TICK = 1.0
# Seconds in which what has arrived already is read, once nobody new is let in.
_LAST_WORDS = 0.3

# Descriptors that are not connections: the store, logs, the loop. A connection may have a file of its own.
_OTHER_FILES = 64
_FILES_EACH = 2


class Server:
    """An index for the length of a `with` block: `with Server(store) as server: server.url`.

    Reading needs no login, unless the options say so; uploading needs a user of the htpasswd file `credentials` or a
    token of the tokens.json beside it, and is off without one. For unknown projects, `fallback` is the upstream's
    simple API (False: 404); the `protected` names never go there. It answers on `listening`, by default a free port of
    this machine. Raises `PublishError` when the store or the port cannot be had.
    """

    def __init__(  # noqa: PLR0913  all but the store by name, and each has a default
        self, store: Path, *, listening: socket.socket | None = None, credentials: Path | None = None,
        fallback: bool | str = True, options: Options = _DEFAULTS, protected: Collection[str] = PROTECTED,
    ) -> None:  # fmt: skip
        self._setup = Setup.of(store, credentials, fallback, protected, options)
        self._socket = listening
        self._url = ""
        self._run: _Run | None = None
        self.patience = PATIENCE
        self.findings: tuple[Finding, ...] = ()
        """What was not in order in the store when it was opened."""

    @classmethod
    def of(cls, setup: Setup, listening: socket.socket) -> Server:
        """The server of a setup that was made elsewhere."""
        server = cls(setup.store, listening=listening)
        server._setup = setup
        return server

    @property
    def url(self) -> str:
        """The root of the running index, where twine uploads to; it ends in a slash."""
        return self._url

    @property
    def simple_url(self) -> str:
        """What pip takes as --index-url."""
        return f"{self.url}simple/"

    @property
    def running(self) -> bool:
        """Whether it answers."""
        return self._run is not None and self._run.alive

    @property
    def drained(self) -> bool:
        """Whether nothing is left of what was under way when it was told to drain."""
        return self._run is None or not self._run.connected

    def drain(self) -> None:
        """Others answer on the same socket: no new connections for this one, and those that it has may end by
        themselves, for an hour at most."""
        if self._run is not None:
            self._run.leave()

    def __enter__(self) -> Self:
        """The server answers. Raises `PublishError`."""
        store = Store.open(self._setup.store, reading=True)
        if not self._setup.options.reconciled:
            self.findings = integrity.reconcile(store)
        self._socket = self._socket or listen("127.0.0.1", 0)
        here = self._setup.at(url_of(self._socket))
        self._url = here.options.public_url or ""
        try:
            self._run = _Run(here, self._socket)
            self._run.start()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nobody new is let in, what is under way ends, within the patience in seconds, and then it is gone."""
        if self._run is not None:
            self._run.end(self.patience)
        if self._socket is not None:
            self._socket.close()


class _Run:
    """uvicorn in a thread, from start to end."""

    def __init__(self, setup: Setup, listening: socket.socket) -> None:
        # Imported here: half a second, and most commands serve nothing.
        from .app import build
        from .connection import Connection, Doorkeeper

        self._application = build(setup)
        self._socket = listening
        self._doorkeeper = Doorkeeper(connection_limit(setup.options.connections))
        # A class of its own for each server: uvicorn makes the connections, and gives them nothing of ours.
        self._protocol = type("Connection", (Connection,), {"doorkeeper": self._doorkeeper})
        self._thread = threading.Thread(target=self._serve, name="index", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._uvicorn: Any = None
        self._started = threading.Event()
        self._failure: BaseException | None = None

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def connected(self) -> bool:
        return self.alive and bool(self._doorkeeper.connections)

    def start(self) -> None:
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise PublishError("the index did not start", details=[repr(self._failure)]) from self._failure

    def leave(self) -> None:
        """No new connections, and one last answer for each that is there. From any thread."""
        self._in_loop(self._leave)

    def end(self, patience: float) -> None:
        """What has arrived is answered, what is under way ends within the patience in seconds; then the thread does."""
        until = time.monotonic() + patience
        self._in_loop(self._leave)
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                asyncio.run_coroutine_threadsafe(self._stop(until), self._loop)
        self._thread.join()
        self._application.close()

    # --- in the thread

    def _serve(self) -> None:
        import uvicorn

        try:
            config = uvicorn.Config(
                self._application, http=self._protocol, loop="uvloop", ws="none", lifespan="off", interface="asgi3",
                log_config=None, access_log=False,
                log_level="error",  # of each malformed request it has a line to say
                server_header=False, proxy_headers=False, backlog=_BACKLOG,
                timeout_keep_alive=3600,  # the doorkeeper closes idle connections, with all others that are late
                timeout_graceful_shutdown=1,
            )  # fmt: skip
            with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
                runner.run(self._main(uvicorn.Server(config)))
        except BaseException as err:
            self._failure = err
            raise
        finally:
            self._started.set()

    async def _main(self, server: Any) -> None:
        self._loop, self._uvicorn = asyncio.get_running_loop(), server
        ticking = self._loop.create_task(self._tick())
        # The socket stays its owner's: uvicorn closes what it is given.
        mine = self._socket.dup()
        mine.setblocking(False)
        try:
            await server.serve(sockets=[mine])
        finally:
            ticking.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            if self._uvicorn.started:
                self._started.set()
                break
        while True:
            self._doorkeeper.look()
            self._application.tell(len(self._doorkeeper.connections))
            await asyncio.sleep(_TICK)

    def _leave(self) -> None:
        self._doorkeeper.leave()
        # Who has connected already is let in first: the kernel would reset what nobody has accepted.
        asyncio.get_running_loop().call_later(_LAST_WORDS / 3, self._close_door)

    def _close_door(self) -> None:
        for server in self._uvicorn.servers if self._uvicorn is not None and self._uvicorn.started else ():
            server.close()
        # Whoever comes from here on is another worker's, or refused: nobody waits for a server that is going.
        self._socket.close()

    async def _stop(self, until: float) -> None:
        """Told to end: connections that say nothing are closed, the others when they are answered."""
        await asyncio.sleep(_LAST_WORDS)
        for connection in list(self._doorkeeper.connections):
            connection.shutdown()
        while self._doorkeeper.connections and time.monotonic() < until:
            await asyncio.sleep(_LAST_WORDS / 10)
        for connection in list(self._doorkeeper.connections):
            connection.abort()
        self._uvicorn.should_exit = True

    def _in_loop(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended already
            if self._loop is not None:
                self._loop.call_soon_threadsafe(call)


def connection_limit(wanted: int) -> int:
    """How many connections there may be at once: as many as are wanted and as this process may open files for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted * _FILES_EACH + _OTHER_FILES
    if soft < needed:
        with contextlib.suppress(ValueError, OSError):
            soft = min(needed, hard) if hard != resource.RLIM_INFINITY else needed
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(8, min(wanted, (soft - _OTHER_FILES) // _FILES_EACH))


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises `PublishError` when it cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as err:
        raise PublishError(
            f"the index cannot listen on {host} port {port}",
            details=[str(err)],
            hint="stop what uses that port, or take another one (0 finds a free one)",
        ) from err


def listen_at(path: Path) -> socket.socket:
    """A Unix socket at `path`, which the group may connect to. What a killed server left there is replaced.

    Raises `PublishError` when it cannot be had, or somebody answers there.
    """
    made = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket():
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(os.fspath(path)) == 0:
                    raise OSError("somebody answers there")
            path.unlink()
        made.bind(os.fspath(path))
        # Before it listens: until then nobody can connect, whatever the umask was.
        path.chmod(0o660)
        made.listen(_BACKLOG)
    except OSError as err:
        made.close()
        raise PublishError(
            f"the index cannot listen at {path}", details=[str(err)], hint="name a path in a folder of this user's"
        ) from err
    return made


def serve_forever(
    server: Server,
    *,
    ready: Callable[[Server], None],
    wanted: Callable[[], bool] = lambda: True,
    drains: Collection[signal.Signals] = (),
) -> None:
    """The server answers until SIGTERM or SIGINT (Ctrl-C) ends it; `ready` is called once it does.

    Told to end, it gives what is under way 18 s. `wanted` is asked once a second; the server ends too when it says no.
    The signals `drains` end it as well, but leave what is under way an hour, and open connections to their clients:
    others answer already. Told to end meanwhile, it is as if it had not been drained. Raises PublishError when the
    server cannot start, or stops by itself.

    Call it in the main thread, before others are started: it takes the signals out of their usual way.
    """
    ends = {signal.SIGINT, signal.SIGTERM, *drains}
    # Blocked and waited for rather than handled: a handler could run at any point of any code in this thread.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        with server:
            ready(server)
            while (got := signal.sigtimedwait(ends, 1)) is None and wanted():
                if not server.running:
                    raise PublishError("the index stopped answering", hint="see the log above for the reason")
            if got is not None and got.si_signo in drains:
                _drain(server, ends - set(drains), wanted)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _drain(server: Server, ends: Collection[signal.Signals], wanted: Callable[[], bool]) -> None:
    server.drain()
    until = time.monotonic() + DRAINING
    time.sleep(_LOOK)  # until it has heard of it
    while not server.drained and wanted() and time.monotonic() < until:
        if signal.sigtimedwait(ends, _LOOK) is not None:
            return


def url_of(listening: socket.socket) -> str:
    """The root of what listens there, for clients on this machine; of a Unix socket, what its clients say."""
    if listening.family == socket.AF_UNIX:
        return "http://localhost/"
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # a wildcard cannot be connected to
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
