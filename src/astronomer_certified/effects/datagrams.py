"""A UDP port of this machine that keeps what is sent there."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

_LONGEST = 65_536


class Datagrams:
    """While the block lasts, whatever comes to `port` of 127.0.0.1 is kept, as text."""

    def __init__(self) -> None:
        """Takes a free port."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._kept: list[str] = []
        self._thread = threading.Thread(target=self._take, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        number: int = self._socket.getsockname()[1]
        return number

    def kept(self) -> list[str]:
        """What came until now."""
        return list(self._kept)

    def _take(self) -> None:
        while content := self._socket.recv(_LONGEST):
            self._kept.append(content.decode("utf-8", "replace"))

    def __enter__(self) -> Datagrams:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An empty datagram ends the thread: closing the socket would leave it waiting.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()
