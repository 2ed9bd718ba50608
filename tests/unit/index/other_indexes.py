"""Indexes elsewhere that say what a test wants them to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from astronomer_certified.index.api.proxy import Proxy
from astronomer_certified.index.api.upstream_cache import UpstreamCache

JSON = "application/vnd.pypi.simple.v1+json"
PAGE: dict[str, object] = {
    "meta": {"api-version": "1.4"}, "name": "tiny", "files": [], "versions": [],
    "project-status": {"status": "archived", "reason": "take large"},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Said:
    """An answer, in pieces."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes] = ()


@contextmanager
def answering(answer: Callable[[str], Said]) -> Iterator[str]:
    """The root of an index that answers a GET of a path so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = answer(self.path)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # whoever has enough goes
                for piece in said.pieces:
                    self.wfile.write(piece)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def speaking(kind: str, body: str) -> Iterator[str]:
    """The simple API of an index that says the same of everything."""
    with answering(lambda path: Said(headers={"Content-Type": kind}, pieces=[body.encode()])) as root:
        yield f"{root}simple/"


def proxy(url: str, folder: Path, *hosts: str, quota: int = 1 << 30) -> Proxy:
    """Upstream at `url`, kept below `folder`."""
    return Proxy(url, UpstreamCache(folder / "kept", quota), hosts)
