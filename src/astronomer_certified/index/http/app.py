"""Setup -> the index as an ASGI application. Any ASGI server can run it; `server` does with uvicorn.

What is read is answered by `api.site` and `api.web_pages`, which know no socket; uploads go to `uploads`. What goes
wrong in one answer is that answer's: a traceback in the log, a 500 for its client, and the next one is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from astronomer_certified.effects.disk import FULL
from astronomer_certified.errors import CertifiedError
from astronomer_certified.index.api import metrics
from astronomer_certified.index.api.site import Answer, TakesLong
from astronomer_certified.index.auth.logins import Login, Refusal, basic

from .from_upstream import FromUpstream, Streaming
from .messages import REASON, Receive, Request, Scope, Send, for_one_reader, give, request_of, say, text
from .options import Setup
from .parts import Parts
from .uploads import UploadRequest, Uploads

# Pages for people and older clients that are made, or wait for it, at once.
_PAGES_AHEAD = 100

# Times that a large page, or the record of a file, is made ready for one request: it may change meanwhile.
_PREPARED = 5

# Logins that may wait to be checked: 20 s of wrong passwords.
_AT_THE_DOOR = 100

# `/legacy/` is where the public index takes uploads: who only changes the host of its address is right.
_UPLOADS_AT = ("/", "", "/legacy/", "/legacy")
# Seconds between two times that what was counted and logged is written, where the server says when it starts.
_TICK = 1.0
_SEARCH = "/search"
_LOGIN = (("WWW-Authenticate", 'Basic realm="index", charset="UTF-8"'),)


@dataclass(slots=True)
class _Sent:
    """What was answered, for the counters and the log: `size` in bytes of body."""

    status: int = 0
    size: int = 0
    route: str = "other"
    headers_sent: bool = field(default=False)


def build(setup: Setup) -> Application:
    """The application of an index. Opens its store; raises `PublishError` when that, or its logins, cannot be had."""
    return Application(Parts.of(setup))


@dataclass(slots=True)
class _Turn:
    """Whose turn it is of those who ask for the same, and how many they are."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    asking: int = 0


@dataclass(slots=True, kw_only=True)
class _Queue:
    """Who makes pages, and how many are asked for."""

    pool: ThreadPoolExecutor
    waiting: int = 0


class Application:
    """The index. Call it from one event loop; what may take long is done in threads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._prefix = parts.site.prefix
        self._uploads = Uploads(parts.setup, parts.store)
        # A pool for each thing that others can make slow, so that guessers, a silent upstream and hard pages hold up
        # nobody but those who asked for the same.
        self._pages = _Queue(pool=ThreadPoolExecutor(4, "index page"))
        self._searches = _Queue(pool=ThreadPoolExecutor(1, "index search"))
        self._same: dict[str, _Turn] = {}
        self._reading = ThreadPoolExecutor(2, "index record")
        self._counting = ThreadPoolExecutor(1, "index metrics")
        self._doors = ThreadPoolExecutor(1, "index login")
        self._waiting = 0
        self._elsewhere = FromUpstream(parts.upstream) if parts.upstream is not None else None

    def tell(self, connections: int = 0) -> None:
        """What was counted and logged so far is where others find it; so many are connected. To be called now and then.

        A server that knows nothing of that says at least when it starts and ends (lifespan).
        """
        self._parts.log.flush()
        self._parts.counters.publish(connections=connections)

    def close(self) -> None:
        """Nothing more is asked. What is being stored is stored first, and what was counted is told."""
        for pool in (self._pages.pool, self._searches.pool, self._reading, self._counting, self._doors):
            pool.shutdown(wait=False, cancel_futures=True)
        self._parts.pages.close()
        if self._elsewhere is not None:
            self._elsewhere.close()
        self._uploads.close()
        self.tell()
        self._parts.log.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the life of a server (lifespan), by the ASGI specification; websockets are ignored."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        sent = _Sent()
        private = self._parts.setup.options.private

        async def noting(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                if private:
                    message["headers"] = for_one_reader(message["headers"])
                sent.status, sent.headers_sent = message["status"], True
            else:
                sent.size += len(message.get("body", b""))
            await send(message)

        request = request_of(scope, self._parts.setup.options.trusted_proxy)
        try:
            await self._respond(request, receive, noting, sent)
        except CertifiedError as err:
            # A damaged record, or file of logins: who asks for something else is answered.
            print(f"certified: {err}", file=sys.stderr, flush=True)
            await self._failed(sent, noting, "What this needs cannot be read here; the index's log says why.")
        except OSError as err:
            if err.errno not in FULL:
                await self._fault(request, sent, noting)
                return
            await self._failed(sent, noting, "The index has no space left.", HTTPStatus.INSUFFICIENT_STORAGE)
        except Exception:
            await self._fault(request, sent, noting)
        finally:
            self._note(request, sent)

    async def _fault(self, request: Request, sent: _Sent, send: Send) -> None:
        """A fault of ours: the log has the request and the traceback."""
        what = f"{request.method} {request.target[:2000]!a} of {request.peer}"
        print(f"certified: {what}:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
        await self._failed(sent, send, "This is a fault of the index; its log says more.")

    async def _failed(self, sent: _Sent, send: Send, why: str, status: int = 500) -> None:
        if sent.headers_sent:
            raise ConnectionAbortedError(why)  # half an answer must not look like a whole one
        await say(send, text(status, why))

    def _note(self, request: Request, sent: _Sent) -> None:
        self._parts.counters.count(sent.route, sent.status, sent.size)
        if self._parts.log.wanted:
            self._parts.log.add(request.peer, request.method, request.target, sent.status, sent.size)

    async def _live(self, receive: Receive, send: Send) -> None:
        """From the start of a server until it ends, and all that it did is told."""
        await receive()
        await send({"type": "lifespan.startup.complete"})
        ending = asyncio.ensure_future(receive())
        try:
            while not ending.done():
                self.tell()
                await asyncio.wait([ending], timeout=_TICK)
        finally:
            ending.cancel()  # where the server gives this up instead
        await asyncio.to_thread(self.close)
        await send({"type": "lifespan.shutdown.complete"})

    # --- which answer

    async def _respond(self, request: Request, receive: Receive, send: Send, sent: _Sent) -> None:
        if request.method == "POST":
            sent.route = "upload"
            await self._upload(request, receive, send)
            return
        if request.method not in ("GET", "HEAD"):
            why = f"{request.method[:20]} is not known here."
            await say(send, text(405, why, (("Allow", "GET, HEAD, POST"),)))
            return
        # Functions of `os` raise ValueError of a path with a NUL.
        if "%00" in request.path:
            await say(send, text(400, "An address has no NUL in it."))
            return
        if (refusal := await self._kept_out(request)) is not None:
            await say(send, refusal)
            return
        found = await self._read(request)
        if isinstance(found, Streaming):
            sent.route = "upstream"
            await found.give(send, head_only=request.method == "HEAD", gone=request.gone)
            return
        sent.route = found.route
        await give(found, send, head_only=request.method == "HEAD", gone=request.gone)

    async def _read(self, request: Request) -> Answer | Streaming:
        """The answer to a GET, from the first who knows one."""
        path = request.path.removeprefix(self._prefix)
        if path == "/metrics":
            shown: Answer = await self._in(self._counting, self._metrics)
            return shown
        answer = await self._known(path, request)
        if answer is None and self._elsewhere is not None and self._elsewhere.is_asked_by_itself(request):
            return text(502, "Upstream of this index is this index itself: name another with --upstream.")
        if answer is None:
            # No other page is another one for what its query says.
            async with self._alone(request.target if path == _SEARCH else path):
                if request.gone():
                    return text(503, "Nobody waits for this.")
                return await self._slowly(path, request)
        return answer

    async def _known(self, path: str, request: Request) -> Answer | None:
        """What the site answers."""
        for _ in range(_PREPARED):
            try:
                # In the loop: a page that is known takes microseconds.
                return self._parts.site.answer(request.target, request.headers)
            except TakesLong as err:
                # Of many who ask for the same, one has it prepared; the last look tells the others that it is.
                async with self._alone(path):
                    with contextlib.suppress(TakesLong):
                        return self._parts.site.answer(request.target, request.headers)
                    if request.gone():
                        break
                    await self._in(self._reading, err.prepare)
        return text(503, "This page changes faster than it can be made; try again.", (("Retry-After", "1"),))

    @contextlib.asynccontextmanager
    async def _alone(self, path: str) -> AsyncIterator[None]:
        """One at a time of those who ask for the same: the others find it made, and hold no thread meanwhile."""
        turn = self._same.setdefault(path, _Turn())
        turn.asking += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.asking -= 1
            if not turn.asking:
                del self._same[path]

    async def _slowly(self, path: str, request: Request) -> Answer | Streaming:
        """The answer of those who take their time."""
        # Nobody here has it, and it does not wait behind pages for people.
        if self._elsewhere is not None and path.startswith(("/simple/", "/upstream/")):
            return await self._elsewhere.answer(path, request)
        # Any word is a search, and none is kept: they have a thread of their own.
        queue = self._searches if path == _SEARCH else self._pages
        if queue.waiting >= _PAGES_AHEAD:
            return text(503, "Too many pages are being made; try again.", (("Retry-After", "1"),))
        queue.waiting += 1
        try:
            answer: Answer | None = await self._in(queue.pool, self._made, path, request)
        finally:
            queue.waiting -= 1
        if answer is None and self._elsewhere is not None:
            return await self._elsewhere.answer(path, request)
        return answer or text(404, "There is nothing here.")

    def _made(self, path: str, request: Request) -> Answer | None:
        """What is rendered for each who asks: pages for people, and what clients older than the simple API want."""
        older = self._parts.older.answer(path, request.headers)
        return older or self._parts.pages.answer(path, request.query, request.headers)

    def _metrics(self) -> Answer:
        folder = self._parts.setup.options.metrics_folder
        body = metrics.text(self._parts.store, self._parts.counters, folder)
        return Answer(status=200, headers=(("Content-Type", "text/plain; version=0.0.4"),), body=body, route="metrics")

    async def _kept_out(self, request: Request) -> Answer | None:
        """Why somebody may not read; None for who may."""
        # What only looks whether the index lives has no login.
        if not self._parts.setup.options.private or request.path.removeprefix(self._prefix) == "/health":
            return None
        found = await self._login(request)
        if isinstance(found, Login):
            return None
        if isinstance(found, Refusal):
            return text(found.status, str(found), tuple(found.headers.items()))
        if isinstance(found, CertifiedError):
            raise found
        return text(401, "Reading this index needs a login.", _LOGIN)

    # --- who asks

    async def _login(self, request: Request) -> Login | CertifiedError | None:
        """Whose request it is; None for a wrong login and for none.

        An error is given back, not raised: an upload may have to be told something else first. Passwords are checked
        one at a time: a wrong one costs 0.2 s on purpose, and whoever guesses keeps nobody waiting but those who log
        in.
        """
        given = basic(request.headers.get("authorization", ""))
        if given is None:
            return None
        try:
            # Who was let in before does not stand in line behind those who guess.
            if (known := self._parts.logins.known(*given, request.peer)) is not None:
                return known
        except CertifiedError as err:
            return err
        if self._waiting >= _AT_THE_DOOR:
            return Refusal("too many logins at once; try again", status=503, headers={"Retry-After": "10"})
        self._waiting += 1
        try:
            found: Login | None = await self._in(self._doors, self._parts.logins.check, *given, request.peer)
            return found
        except CertifiedError as err:
            return err
        finally:
            self._waiting -= 1

    async def _upload(self, request: Request, receive: Receive, send: Send) -> None:
        path = request.path.removeprefix(self._prefix)
        if path not in _UPLOADS_AT:
            await say(send, text(405, "Files are uploaded to the root of this index.", (("Allow", "GET, HEAD"),)))
            return
        # Before the body: nobody's is worth the disk but that of a login which is right.
        given = basic(request.headers.get("authorization", ""))
        login = await self._login(request)
        upload = UploadRequest(
            user=given[0] if given else "", login=login, peer=request.peer, headers=request.headers,
            asked=given is not None,
        )  # fmt: skip
        answer = await self._uploads.refused(upload) or await self._uploads.take(upload, receive)
        if answer.reason and (say_why := request.extensions.get(REASON)) is not None:
            say_why(answer.reason)
        await say(send, answer)

    async def _in(self, pool: ThreadPoolExecutor, call: Callable[..., Any], *words: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, call, *words)


def from_environment(environ: Mapping[str, str]) -> Application:
    """The index that variables describe, for who runs it under a server of his own: `CERTIFIED_INDEX_SETUP` as
    `Setup.to_json` writes it, or `CERTIFIED_INDEX_DIR`, the folder of the index, with everything else as by default."""
    if stated := environ.get("CERTIFIED_INDEX_SETUP"):
        return build(Setup.from_json(stated))
    folder = Path(environ.get("CERTIFIED_INDEX_DIR", "index"))
    htpasswd = folder / "htpasswd"
    return build(Setup(store=folder / "packages", credentials=htpasswd if htpasswd.exists() else None))
