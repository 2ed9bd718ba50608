"""Store -> an index that answers on a port, in two threads of this process. Writes nothing but the store.

front      accepts every connection; sends known pages and files itself
waitress   gets the connections with anything else: uploads, logins, metrics, what is malformed
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from astronomer_certified.errors import PublishError
from astronomer_certified.index.api.access import Log
from astronomer_certified.index.api.fallback import Fallback, Mode, patterns
from astronomer_certified.index.api.metrics import Counters
from astronomer_certified.index.api.passthrough import Passthrough
from astronomer_certified.index.api.site import Address, Site
from astronomer_certified.index.auth.logins import Logins
from astronomer_certified.index.store import integrity
from astronomer_certified.index.store.integrity import Finding
from astronomer_certified.index.store.store import Store

from .front import Front
from .options import Options

# The distributions that must come from us or not at all, whatever the fallback has under their names.
PROTECTED = ("astronomer-certified", "apache-airflow")

_BACKLOG = 1024

_DEFAULTS = Options()

# Seconds for what is under way when the server is told to end.
PATIENCE = 20.0

# Seconds for it when others answer already: a large file may take that long.
DRAINING = 3600.0

_LOOK = 0.2


class Server:
    """An index for the length of a `with` block: `with Server(store) as server: server.url`.

    Reading needs no login; uploading needs a user of the htpasswd file `credentials` or a token of the
    tokens.json beside it, and is off without one. For unknown projects, `fallback` is the upstream's simple API
    (False: 404); the `protected` names never go there. Port 0 takes a free one. PublishError when the store or
    the port cannot be had.
    """

    def __init__(  # noqa: PLR0913  goes with the server that is kept elsewhere
        self,
        store: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        listening: socket.socket | None = None,
        credentials: Path | None = None,
        fallback: bool | str = True,
        protected: Collection[str] = PROTECTED,
        options: Options = _DEFAULTS,
    ) -> None:
        self._store = store
        self._host = host
        self._port = port
        self._socket = listening
        self._credentials = credentials
        self._fallback = fallback
        self._protected = patterns(protected)
        self._options = options
        self._front: Front | None = None
        self._back: Any = None
        self._threads: tuple[threading.Thread, ...] = ()
        self._log = Log()
        self.patience = PATIENCE
        self.findings: tuple[Finding, ...] = ()
        """What was not in order in the store when it was opened."""

    @property
    def url(self) -> str:
        """The root of the running index, where twine uploads to; it ends in a slash."""
        if self._options.public_url:
            return self._options.public_url
        return url_of(self._socket) if self._socket is not None else ""

    @property
    def simple_url(self) -> str:
        """What pip takes as --index-url."""
        return f"{self.url}simple/"

    @property
    def running(self) -> bool:
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def drain(self) -> None:
        """Others answer on the same socket: no new connections for this one, and those that it has may end by
        themselves, for an hour at most."""
        if self._front is not None:
            self._front.stop(time.monotonic() + DRAINING, waits_for_idle=True)

    @property
    def drained(self) -> bool:
        back, front = self._threads
        return not front.is_alive() and not (back.is_alive() and self._back.busy)

    def __enter__(self) -> Self:
        # Imported here: pypiserver and waitress take half a second, and most commands serve nothing.
        from .back import Back

        logins = Logins(self._credentials)
        store = Store.open(self._store)
        if not self._options.reconciled:
            self.findings = integrity.reconcile(store)
        self._socket = self._socket or listen(self._host, self._port)
        self._log = Log.to(self._options.access_log)
        counters = Counters(self._options.metrics_folder)
        address = Address(public_url=self._options.public_url or url_of(self._socket), accel=self._options.accel)
        fallback = self._resolved()
        upstream = Passthrough(store, fallback, self._kept()) if fallback.mode is Mode.PROXY else None
        self._back = Back(
            store, Site(store, fallback, address), upstream, logins, counters, self._log, self._options, self._socket
        )
        site = Site(store, fallback, address)
        self._front = Front(
            self._socket, site, self._back.take, counters, self._log,
            limit=self._options.connections, trusted=self._options.trusted_proxy,
        )  # fmt: skip
        # Daemons, so that an index never outlives the command that started it.
        self._threads = tuple(
            threading.Thread(target=run, name=f"index {name}", daemon=True)
            for name, run in (("back", self._back.run), ("front", self._front.run))
        )
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # First nobody new is let in and what is being sent is sent; then uploads that are being stored end.
        back, front = self._threads
        until = time.monotonic() + self.patience
        if self._front is not None:
            self._front.stop(until)
            front.join()
        self._back.stop(until)
        back.join()
        if self._socket is not None:
            self._socket.close()
        self._log.close()

    def _kept(self) -> Path:
        return self._options.kept or self._store.with_name("upstream")

    def _resolved(self) -> Fallback:
        url: str | None = None
        if isinstance(self._fallback, str):
            url = self._fallback.rstrip("/") + "/"
        elif self._fallback:
            from .back import default_fallback

            url = default_fallback()
        mode = self._options.mode if url else Mode.NONE
        return Fallback(mode=mode, url=url, protected=self._protected)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; PublishError when it cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as err:
        raise PublishError(
            f"the index cannot listen on {host} port {port}",
            details=[str(err)],
            hint="stop what uses that port, or take another one (0 finds a free one)",
        ) from err


def serve_forever(
    server: Server,
    *,
    ready: Callable[[Server], None],
    wanted: Callable[[], bool] = lambda: True,
    drains: Collection[signal.Signals] = (),
) -> None:
    """Nothing, after SIGTERM or SIGINT (Ctrl-C) ended the server; `ready` is called once it answers.

    What is under way then has 20 s. `wanted` is asked once a second; the server ends too when it says no. The signals
    `drains` end it as well, and leave what is under way an hour, and open connections to their clients: others answer
    already. Told to end meanwhile, it is as if it had not been drained.

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
                server.drain()
                until = time.monotonic() + DRAINING
                while not server.drained and wanted() and time.monotonic() < until:
                    if (got := signal.sigtimedwait(ends, _LOOK)) is not None and got.si_signo not in drains:
                        break
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def url_of(listening: socket.socket) -> str:
    """The root of what listens there, for clients on this machine."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # a wildcard cannot be connected to
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
