"""A request that upstream may answer -> its page, or its file as it comes. Touches threads; the network is `api`'s.

Pages and files have threads of their own: a file may take as long as upstream likes, and who asks for a page does not
wait for that.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor

from astronomer_certified.index.api.passthrough import Passthrough
from astronomer_certified.index.api.proxy import Passing, UpstreamSilent
from astronomer_certified.index.api.site import Answer

from .messages import Request, Send, encoded, say, text

# Questions, and files, that are with upstream at once; seconds that one more waits for its turn.
AT_UPSTREAM = 16
_TURN_SECONDS = 1.0

_LATER = (("Retry-After", "1"),)


class FromUpstream:
    """What upstream has, if it may be passed on. Belongs to the thread of the event loop."""

    def __init__(self, upstream: Passthrough) -> None:
        self._upstream = upstream
        self._asking = ThreadPoolExecutor(AT_UPSTREAM, "index upstream")
        self._turns = asyncio.Semaphore(AT_UPSTREAM)
        self._streams = _Streams()

    def close(self) -> None:
        """Nothing more is asked."""
        self._asking.shutdown(wait=False, cancel_futures=True)
        self._streams.close()
        self._upstream.close()

    async def answer(self, path: str, request: Request) -> Answer | Streaming:
        """The answer to a GET, or a file on its way, which has its turn until it is passed on."""
        loop = asyncio.get_running_loop()
        try:
            # Not left to the pool, whose queue has no end: who finds no turn is told so.
            await asyncio.wait_for(self._turns.acquire(), _TURN_SECONDS)
        except TimeoutError:
            return text(503, "Too many are waiting for upstream; try again.", _LATER)
        try:
            found = await loop.run_in_executor(
                self._asking, self._upstream.answer, path, request.query, request.headers
            )
        except UpstreamSilent as err:
            return text(502, err.what)
        finally:
            self._turns.release()
        if isinstance(found, Passing):
            if (streaming := self._streams.begun(found)) is not None:
                return streaming
            # Not in the pool of the streams, which are all busy: it is a connection to upstream that stays open.
            await loop.run_in_executor(self._asking, found.close)
            return text(503, "Too many files are on their way; try again.", _LATER)
        return found or text(404, "There is nothing here.")


class _Streams:
    """The files that are on their way."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_UPSTREAM, "index stream")
        self._open = 0

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def begun(self, passing: Passing) -> Streaming | None:
        """The file, when there is a place for it."""
        if self._open >= AT_UPSTREAM:
            return None
        self._open += 1
        return Streaming(passing, self)

    def over(self, passing: Passing) -> None:
        """Its place is free. It removes from disk what was not whole: no work for the loop, nor for who is told to
        end."""
        self._open -= 1
        try:
            self._pool.submit(passing.close)
        except RuntimeError:  # the pool has ended
            passing.close()

    async def next(self, passing: Passing) -> bytes | None:
        """The next piece; None at the end."""
        # StopIteration cannot be set on a future.
        return await asyncio.get_running_loop().run_in_executor(self._pool, next, passing.pieces, None)


class Streaming:
    """A file on its way, with a place among those."""

    def __init__(self, passing: Passing, streams: _Streams) -> None:
        self._passing = passing
        self._streams = streams

    async def give(self, send: Send, *, head_only: bool, gone: Callable[[], bool]) -> None:
        """It is passed on, for as long as somebody reads it: who hangs up must not hold a place. The first bytes are
        there before anything is said of it."""
        async with contextlib.aclosing(self._pieces()) as pieces:
            try:
                # After the status line, a failure could only be told by breaking off.
                first = await anext(pieces, b"")
            except UpstreamSilent as err:
                await say(send, text(502, err.what))
                return
            size = self._passing.size
            sizes = (("Content-Length", str(size)),) if size is not None else ()
            headers = encoded((("Content-Type", "application/octet-stream"), *sizes))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if head_only:
                await send({"type": "http.response.body", "body": b""})
                return
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for piece in pieces:
                if gone():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            while (piece := await self._streams.next(self._passing)) is not None:
                yield piece
        finally:
            self._streams.over(self._passing)
