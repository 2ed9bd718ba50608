"""Connections that the front does not answer -> waitress, which runs the WSGI application for one request of each.

Who sends an upload is known before its body is read. Passwords are checked in a thread of their own, one at a time:
a wrong one costs 0.2 s on purpose, and whoever guesses keeps nobody waiting but those who log in. waitress reads
bodies in one thread, to disk when they are large, and refuses what is malformed; its worker threads see whole requests
only, and wait for no reader: what a slow one has not taken yet is kept in the file that it comes from, or a temporary
one. Each of its connections is closed after one answer: the next request is the front's again,
and what somebody may have hidden behind the first one is never looked at.
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO

import waitress
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask, WSGITask

from astronomer_certified.errors import CertifiedError
from astronomer_certified.index.api.access import Log
from astronomer_certified.index.api.metrics import Counters
from astronomer_certified.index.api.passthrough import Passthrough
from astronomer_certified.index.api.site import Site
from astronomer_certified.index.api.web_pages import WebPages
from astronomer_certified.index.auth.logins import Login, Logins, Refusal, basic
from astronomer_certified.index.store.store import Store

from . import grammar
from .app import AT_UPSTREAM, FULL, Application, Parts
from .front import HEAD_LIMIT

if TYPE_CHECKING:
    from .options import Options

_THREADS = 8
# Seconds until a body must have come, or be coming at `_SLOWEST` bytes a second.
_PATIENCE = 30.0

_SLOWEST = 2000
_LOOK_EVERY = 5
# Logins that may wait to be checked: 20 s of wrong passwords.
_AT_THE_DOOR = 100

_LOOK_AT_STOP = 0.02
_NO_WATERMARK = 1 << 60


class Back:
    """Run `run` in a thread of its own; `take` gives it a connection, from any thread."""

    def __init__(  # noqa: PLR0913  goes with the server that is kept elsewhere
        self, store: Store, site: Site, upstream: Passthrough | None, logins: Logins, counters: Counters, log: Log,
        options: Options, listening: socket.socket,
    ) -> None:  # fmt: skip
        application = Application(
            Parts(
                store=store, site=site, counters=counters, log=log,
                metrics_folder=options.metrics_folder, max_upload=options.max_upload, upstream=upstream,
                people=WebPages(store, site.address),
            )
        )  # fmt: skip
        self._channels: dict[int, Any] = {}
        # waitress listens where nobody connects; it is given its connections. Its address is the front's, for
        # the SERVER_NAME of WSGI.
        unreachable = socket.socket(listening.family)
        unreachable.bind(("127.0.0.1" if listening.family == socket.AF_INET else "::1", 0))
        self._logins = logins
        # Each is counted in one thread: the front's and waitress's.
        self._taken = 0
        self._adopted = 0
        self._door = ThreadPoolExecutor(1, "index login")
        self._waiting = threading.BoundedSemaphore(_AT_THE_DOOR)
        self._trusted = options.trusted_proxy
        self._waitress: Any = waitress.create_server(
            application,
            map=self._channels,
            sockets=[unreachable],
            threads=_THREADS + (AT_UPSTREAM if upstream is not None else 0),
            ident=None,
            asyncore_use_poll=True,  # select() fails in a process with more than 1,024 open files
            connection_limit=options.connections,
            max_request_header_size=HEAD_LIMIT,
            max_request_body_size=options.max_upload + (1 << 20),
            outbuf_high_watermark=_NO_WATERMARK,
            cleanup_interval=_LOOK_EVERY,
            channel_timeout=_PATIENCE,
        )
        self._waitress.channel_class = _Channel
        # waitress warns about each task that waits; here that is an upload that waits for its turn.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)

    def run(self) -> None:
        self._waitress.run()

    @property
    def busy(self) -> bool:
        """Whether a connection is being let in or answered."""
        return self._taken != self._adopted or bool(self._waitress.active_channels)

    def take(self, wire: socket.socket, peer: tuple[str, int], received: bytes) -> None:
        """The connection is answered from here on; `received`, a whole head at least, came over it already."""
        self._taken += 1
        client = grammar.client(peer[0], grammar.field(received, b"x-forwarded-for"), self._trusted), peer[1]
        given = basic(grammar.field(received, b"authorization")) if received.startswith(b"POST ") else None
        if given is None:
            self._in_loop(lambda: self._adopt(wire, client, received, _NO_LOGIN))
        elif self._waiting.acquire(blocking=False):
            self._door.submit(self._let_in, wire, client, received, given)
        else:
            busy = Refusal("too many logins at once; try again", status=503, headers={"Retry-After": "10"})
            self._in_loop(lambda: self._adopt(wire, client, received, busy))

    def _let_in(self, wire: socket.socket, client: tuple[str, int], received: bytes, given: tuple[str, str]) -> None:
        found: Login | CertifiedError | None
        try:
            found = self._logins.check(*given, client[0])
        except CertifiedError as err:
            found = err
        finally:
            self._waiting.release()
        self._in_loop(lambda: self._adopt(wire, client, received, found))

    def stop(self, until: float) -> None:
        """What is coming, being stored or being sent ends first, until then (by time.monotonic) at most; then the loop
        closes its sockets itself, in its own thread: closing them under it would leave it polling numbers that may be
        somebody else's files by then."""
        while self.busy and time.monotonic() < until:
            time.sleep(_LOOK_AT_STOP)
        self._door.shutdown()
        self._waitress.task_dispatcher.shutdown()
        self._in_loop(self._close_all)

    def _close_all(self) -> None:
        for channel in list(self._waitress.active_channels.values()):
            channel.handle_close()  # with the files that it was sending
        wasyncore.close_all(self._channels, ignore_all=True)

    def _in_loop(self, call: Any) -> None:
        trigger = self._waitress.trigger
        with trigger.lock:  # a loop that is awake for another reason would close the pipe before it is written to
            trigger.thunks.append(call)
            trigger.pull_trigger()

    def _adopt(self, wire: socket.socket, client: tuple[str, int], received: bytes, login: _Found) -> None:
        try:
            if len(self._channels) > self._waitress.adj.connection_limit:
                wire.close()
                return
            channel = _Channel(self._waitress, wire, client, self._waitress.adj, map=self._channels)
        finally:
            self._adopted += 1
        channel.login = login
        channel.parser_class = functools.partial(_Parser, login=login)
        channel.received(received)


_NO_LOGIN = "no login"
# Whose request it is, why nobody knows, None for a wrong login, or _NO_LOGIN.
_Found = Login | CertifiedError | str | None


class _Task(WSGITask):  # type: ignore[misc]  # waitress has no types
    def get_environment(self) -> Any:
        return super().get_environment() | {"certified.login": self.channel.login}

    def build_response_header(self) -> Any:
        self.set_close_on_finish()
        return super().build_response_header()


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    def build_response_header(self) -> Any:
        self.set_close_on_finish()
        return super().build_response_header()


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Nobody's body is worth the disk: only that of a login which is right is kept."""

    body_rcv: Any
    expect_continue: Any

    def __init__(self, adj: Any, login: _Found = _NO_LOGIN) -> None:
        super().__init__(adj)
        self._login = login

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if isinstance(self._login, Login) and self.body_rcv is not None:
            return
        if self._login == _NO_LOGIN or self.expect_continue or self.body_rcv is None:
            # Answered at once: the application says 401 or what else there is to say.
            self.content_length = 0
            self.body_rcv = None
            self.chunked = False
            self.expect_continue = False
        else:
            # Most clients see an answer only once they have sent everything.
            self.body_rcv.buf = _Nowhere()


class _Nowhere:
    """Takes a body, and keeps its size."""

    def __init__(self) -> None:
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, piece: bytes) -> None:
        self._size += len(piece)

    def getfile(self) -> BinaryIO:
        return io.BytesIO()

    def close(self) -> None:
        pass


class _Channel(HTTPChannel):  # type: ignore[misc]
    task_class = _Task
    error_task_class = _ErrorTask
    parser_class: Any = _Parser
    login: _Found = _NO_LOGIN

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
