"""Store -> an index that answers on a port, in a thread of this process. Writes nothing but the store."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from packaging.utils import canonicalize_name

from astronomer_certified.errors import PublishError

from .credentials import Htpasswd
from .store import Store

PROTECTED = ("astronomer-certified", "apache-airflow")
"""The distributions that must come from us or not at all, whatever the fallback has under their names."""

_THREADS = 8


class Server:
    """An index for the length of a `with` block: `with Server(store) as server: server.url`.

    Reading needs no login; uploading needs a user of the htpasswd file `credentials`, and is off without
    one. Unknown projects are sent to the `fallback` (True: pypiserver's default, False: 404, or a URL), but
    for the `protected` names. Port 0 takes a free one. PublishError when the store or the port cannot be had.
    """

    def __init__(
        self,
        store: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        credentials: Path | None = None,
        fallback: bool | str = True,
        protected: Collection[str] = PROTECTED,
    ) -> None:
        self._store = store
        self._host = host
        self._port = port
        self._credentials = credentials
        self._fallback = fallback
        self._protected = frozenset(map(canonicalize_name, protected))
        self._waitress: Any = None
        self._channels: dict[int, Any] = {}
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The root of the running index, where twine uploads to; it ends in a slash."""
        host, port = self._waitress.effective_host, self._waitress.effective_port
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # a wildcard cannot be connected to
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    @property
    def simple_url(self) -> str:
        """What pip takes as --index-url."""
        return f"{self.url}simple/"

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def __enter__(self) -> Self:
        # Imported here: pypiserver and waitress take most of a second, and most commands serve nothing.
        from . import app

        application = app.build(
            Store.open(self._store),
            auther=Htpasswd(self._credentials) if self._credentials else _nobody,
            fallback=self._fallback,
            protected=self._protected,
        )
        self._waitress = self._listen(application)
        # A daemon, so that an index never outlives the command that started it.
        self._thread = threading.Thread(target=self._waitress.run, name="index", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from waitress import wasyncore

        # Uploads that are being stored end first. Then the loop closes its sockets itself, in its own thread:
        # closing them under it would leave it polling numbers that may be somebody else's files by then.
        self._waitress.task_dispatcher.shutdown()
        trigger = self._waitress.trigger
        with trigger.lock:  # a loop that is awake for another reason would close the pipe before it is written to
            trigger.thunks.append(lambda: wasyncore.close_all(self._channels, ignore_all=True))
            trigger.pull_trigger()
        if self._thread is not None:
            self._thread.join()

    def _listen(self, application: Any) -> Any:
        import waitress

        try:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            listening = socket.create_server((self._host, self._port), family=family)
        except (OSError, OverflowError) as err:
            raise PublishError(
                f"the index cannot listen on {self._host} port {self._port}",
                details=[str(err)],
                hint="stop what uses that port, or take another one (0 finds a free one)",
            ) from err
        return waitress.create_server(
            application,
            map=self._channels,
            sockets=[listening],
            threads=_THREADS,
            ident=None,
            asyncore_use_poll=True,  # select() fails in a process with more than 1,024 open files
        )


def serve_forever(server: Server, *, ready: Callable[[Server], None]) -> None:
    """Nothing, after SIGTERM or SIGINT (Ctrl-C) ended the server; `ready` is called once it answers.

    Call it in the main thread, before others are started: it takes the two signals out of their usual way.
    """
    ends = {signal.SIGINT, signal.SIGTERM}
    # Blocked and waited for rather than handled: a handler could run at any point of any code in this thread.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        with server:
            ready(server)
            while signal.sigtimedwait(ends, 1) is None:
                if not server.running:
                    raise PublishError("the index stopped answering", hint="see the log above for the reason")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nobody(user: str, password: str) -> bool:
    return False
