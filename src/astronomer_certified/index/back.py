"""Connections that the front does not answer -> waitress, which runs the WSGI application for one request of each.

waitress reads bodies in one thread, to disk when they are large, and refuses what is malformed; its worker threads
see whole requests only. Each of its connections is closed after one answer: the next request is the front's again,
and what somebody may have hidden behind the first one is never looked at.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import waitress
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask, WSGITask

from .access import Log
from .app import FULL, Application, Parts
from .front import HEAD_LIMIT
from .logins import Logins
from .metrics import Counters
from .people import People
from .site import Site
from .store import Store
from .upstream import Upstream

if TYPE_CHECKING:
    from .server import Options

_THREADS = 8
_PATIENCE = 30.0
"""Seconds until a body must have come, or be coming at `_SLOWEST` bytes a second."""

_SLOWEST = 2000
_LOOK_EVERY = 5


class Back:
    """Run `run` in a thread of its own; `take` gives it a connection, from any thread."""

    def __init__(
        self, store: Store, site: Site, upstream: Upstream | None, logins: Logins, counters: Counters, log: Log,
        options: Options, listening: socket.socket,
    ) -> None:  # fmt: skip
        application = Application(
            Parts(
                store=store, site=site, logins=logins, counters=counters, log=log,
                metrics_folder=options.metrics_folder, max_upload=options.max_upload, upstream=upstream,
                people=People(store, site.address),
            )
        )  # fmt: skip
        self._channels: dict[int, Any] = {}
        # waitress listens where nobody connects; it is given its connections. Its address is the front's, for
        # the SERVER_NAME of WSGI.
        unreachable = socket.socket(listening.family)
        unreachable.bind(("127.0.0.1" if listening.family == socket.AF_INET else "::1", 0))
        trusted = options.trusted_proxy
        self._waitress: Any = waitress.create_server(
            application,
            map=self._channels,
            sockets=[unreachable],
            threads=_THREADS,
            ident=None,
            asyncore_use_poll=True,  # select() fails in a process with more than 1,024 open files
            connection_limit=options.connections,
            max_request_header_size=HEAD_LIMIT,
            max_request_body_size=options.max_upload + (1 << 20),
            cleanup_interval=_LOOK_EVERY,
            channel_timeout=_PATIENCE,
            **({"trusted_proxy": trusted, "trusted_proxy_headers": {"x-forwarded-for"}} if trusted else {}),
        )
        self._waitress.channel_class = _Channel
        # waitress warns about each task that waits; here that is an upload that waits for its turn.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._given: list[tuple[socket.socket, tuple[str, int], bytes]] = []
        self._lock = threading.Lock()

    def run(self) -> None:
        self._waitress.run()

    def take(self, wire: socket.socket, peer: tuple[str, int], received: bytes) -> None:
        """The connection is answered from here on; `received` came over it already."""
        self._in_loop(lambda: self._adopt(wire, peer, received))

    def stop(self) -> None:
        """Uploads that are being stored end first; then the loop closes its sockets itself, in its own thread:
        closing them under it would leave it polling numbers that may be somebody else's files by then."""
        self._waitress.task_dispatcher.shutdown()
        self._in_loop(lambda: wasyncore.close_all(self._channels, ignore_all=True))

    def _in_loop(self, call: Any) -> None:
        trigger = self._waitress.trigger
        with trigger.lock:  # a loop that is awake for another reason would close the pipe before it is written to
            trigger.thunks.append(call)
            trigger.pull_trigger()

    def _adopt(self, wire: socket.socket, peer: tuple[str, int], received: bytes) -> None:
        if len(self._channels) > self._waitress.adj.connection_limit:
            wire.close()
            return
        channel = _Channel(self._waitress, wire, peer, self._waitress.adj, map=self._channels)
        channel.received(received)


class _Task(WSGITask):  # type: ignore[misc]  # waitress has no types
    def build_response_header(self) -> Any:
        self.set_close_on_finish()
        return super().build_response_header()


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    def build_response_header(self) -> Any:
        self.set_close_on_finish()
        return super().build_response_header()


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.command == "POST" and "AUTHORIZATION" not in self.headers:
            # Nobody's body is worth the disk. The application answers 401 to what looks like an empty one.
            self.content_length = 0
            self.body_rcv = None
            self.chunked = False
            self.expect_continue = False


class _Channel(HTTPChannel):  # type: ignore[misc]
    task_class = _Task
    error_task_class = _ErrorTask
    parser_class = _Parser

    def received(self, data: bytes) -> Any:
        # One request is all: what comes after it is not read.
        if self.requests:
            return True
        try:
            return super().received(data)
        except OSError as err:  # bodies are spooled to TMPDIR while they come
            if err.errno not in FULL:
                raise
            with contextlib.suppress(OSError):
                self.socket.send(b"HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.will_close = True
            return True

    def readable(self) -> Any:
        self._give_up_on_the_slow()
        return super().readable()

    def _give_up_on_the_slow(self) -> None:
        """A body that drips in holds a connection for hours unless somebody looks at its rate."""
        waited = time.time() - self.creation_time
        coming = self.request
        if coming is None or self.requests or waited < _PATIENCE:
            return
        if coming.body_bytes_received < (waited - _PATIENCE) * _SLOWEST + 1:
            self.will_close = True


def default_fallback() -> str:
    """Where pypiserver itself would send clients."""
    from pypiserver.config import DEFAULTS

    return str(DEFAULTS.FALLBACK_URL).rstrip("/") + "/"
