"""A request that upstream may answer -> its page, or its file as it comes. Touches threads; the network is `api`'s.

Pages and files have threads of their own: a file may take as long as upstream likes, and who asks for a page does not
wait for that. A file comes as fast as upstream gives it, once for all who read it meanwhile, and they read it from
disk: whoever takes his time keeps nobody else from asking upstream for another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from astronomer_certified.index.api.passthrough import Passthrough
from astronomer_certified.index.api.proxy import Passing, UpstreamSilent
from astronomer_certified.index.api.site import Answer

from .messages import PIECE, Request, Send, encoded, say, text

# Questions that are with upstream at once; seconds that one more waits for its turn.
AT_UPSTREAM = 16
_TURN_SECONDS = 1.0

# Files that are on their way at once, and for one client; seconds that one more waits for a place. pip gives up after
# 15 s without a byte, and asks again.
FILES = 32
FILES_OF_ONE = 16
_PLACE_SECONDS = 10.0

# Seconds after which somebody who waits for more of a file is looked at: he may have gone.
_LOOK_SECONDS = 0.5

# Bytes a second that who reads a file which finds no room here must take, after so many seconds.
_SLOWEST = 32 << 10
_SLOW_SECONDS = 20.0

_LATER = (("Retry-After", "1"),)


class FromUpstream:
    """What upstream has, if it may be passed on. Belongs to the thread of the event loop."""

    def __init__(self, upstream: Passthrough) -> None:
        self._upstream = upstream
        self._asking = ThreadPoolExecutor(AT_UPSTREAM, "index upstream")
        self._turns = asyncio.Semaphore(AT_UPSTREAM)
        self._pool = ThreadPoolExecutor(FILES, "index stream")
        self._places = _Places()
        self._coming: dict[str, _Coming] = {}

    def close(self) -> None:
        """Nothing more is asked."""
        self._asking.shutdown(wait=False, cancel_futures=True)
        for coming in list(self._coming.values()):
            coming.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._upstream.close()

    def is_asked_by_itself(self, request: Request) -> bool:
        """Whether upstream of this index is the index itself: each of its questions would make it ask another."""
        return self._upstream.name in request.headers.get("via", "")

    async def answer(self, path: str, request: Request) -> Answer | Streaming:
        """The answer to a GET, or a file on its way, which has its place until all of it has come."""
        found = await self._found(path, request)
        if not isinstance(found, Passing):
            return found
        if not self._places.take(request.peer):
            # Nobody's connection to upstream stays open while he waits.
            await self._in(found.close)
            if not await self._places.wait(request.peer):
                return text(503, "Too many files are on their way; try again.", _LATER)
            try:
                found = await self._found(path, request)
            except BaseException:
                self._places.leave(request.peer)
                raise
            if not isinstance(found, Passing):  # meanwhile it has come for somebody else
                self._places.leave(request.peer)
                return found
        try:
            source = self._begun(self._upstream.subject(path), found, request.peer)
        except BaseException:
            self._places.leave(request.peer)
            _closed(found, self._pool)
            raise
        return Streaming(source, found.size)

    async def _found(self, path: str, request: Request) -> Answer | Streaming | Passing:
        try:
            # Not left to the pool, whose queue has no end: who finds no turn is told so.
            await asyncio.wait_for(self._turns.acquire(), _TURN_SECONDS)
        except TimeoutError:
            return text(503, "Too many are waiting for upstream; try again.", _LATER)
        try:
            # Asked for each: a name may have become ours since the file began to come.
            subject = self._upstream.subject(path)
            if subject in self._coming and await self._in(self._upstream.may_pass, path):
                coming = self._coming.get(subject)
                if coming is not None and coming.may_be_joined:
                    return Streaming(coming, coming.size)
            found: Answer | Passing | None = await self._in(self._upstream.answer, path, request.query, request.headers)
        except UpstreamSilent as err:
            return text(502, err.what)
        finally:
            self._turns.release()
        return found or text(404, "There is nothing here.")

    def _begun(self, subject: str, passing: Passing, peer: str) -> _Source:
        def over() -> None:
            self._places.leave(peer)
            if self._coming.get(subject) is source:
                del self._coming[subject]

        source: _Source
        if (file := _opened(passing.kept)) is None:
            source = _Direct(passing, self._pool, over)
        else:
            source = self._coming[subject] = _Coming(passing, file, self._pool, over)
        return source

    async def _in(self, call: Callable[..., Any], *words: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._asking, call, *words)


class _Places:
    """The files that are on their way: how many, and for whom."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()
        self._freed = asyncio.Condition()

    def take(self, peer: str) -> bool:
        """Whether there was a place, which is taken now."""
        # Without a name for who asks, as behind a proxy that nobody trusts, all are one.
        if self._of.total() >= FILES or (peer and self._of[peer] >= FILES_OF_ONE):
            return False
        self._of[peer] += 1
        return True

    async def wait(self, peer: str) -> bool:
        """As `take`, once there is one; no when that takes too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PLACE_SECONDS), self._freed:
                await self._freed.wait_for(lambda: self.take(peer))
                return True
        return False

    def leave(self, peer: str) -> None:
        """A place is free again."""
        self._of[peer] -= 1
        self._of += Counter()  # forgets who has none
        self._tell = asyncio.ensure_future(self._told())  # kept, or it could be collected before it runs

    async def _told(self) -> None:
        async with self._freed:
            self._freed.notify_all()


class _Source(Protocol):
    def pieces(self, gone: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
        """The file from its beginning, for as long as its reader has not gone. Raises UpstreamSilent."""


class _Direct:
    """A file that finds no room here: it comes as its one reader takes it."""

    def __init__(self, passing: Passing, pool: ThreadPoolExecutor, over: Callable[[], None]) -> None:
        self._passing = passing
        self._pool = pool
        self._over = over

    async def pieces(self, gone: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
        """See `_Source`."""
        loop = asyncio.get_running_loop()
        try:
            # StopIteration cannot be set on a future.
            taken, seconds = 0, 0.0
            while (piece := await loop.run_in_executor(self._pool, next, self._passing.pieces, None)) is not None:
                begun = time.monotonic()
                yield piece
                taken, seconds = taken + len(piece), seconds + time.monotonic() - begun
                if gone():
                    return
                # It has its place for as long as its reader takes.
                if seconds > _SLOW_SECONDS and taken < seconds * _SLOWEST:
                    raise UpstreamSilent("this file was not taken in time")
        finally:
            self._over()
            _closed(self._passing, self._pool)


class _Coming:
    """A file that comes to disk, and is read from there meanwhile by any number of clients, each at his pace."""

    def __init__(self, passing: Passing, file: int, pool: ThreadPoolExecutor, over: Callable[[], None]) -> None:
        self.size = passing.size
        self._passing = passing
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._there = 0
        self._ended = False
        self._stopped = False
        self._failure: UpstreamSilent | None = None
        self._moved = asyncio.Event()
        self._readers = 0
        self._file = file
        pool.submit(self._fetch).add_done_callback(_noted)

    @property
    def may_be_joined(self) -> bool:
        """Whether one more can read it."""
        return self._failure is None and not self._stopped and not self._ended

    def stop(self) -> None:
        """Nobody wants it any more."""
        self._stopped = True
        self._passing.hang_up()

    # --- in a thread

    def _fetch(self) -> None:
        there = 0
        failure: UpstreamSilent | None = UpstreamSilent("this file did not come")
        try:
            for piece in self._passing.pieces:
                there += len(piece)
                if self._passing.is_lost():  # others have read of it what is there no more
                    raise UpstreamSilent("the index has no space left for this file")
                self._tell(there)
            failure = None
        except UpstreamSilent as err:
            failure = err
        finally:
            # In any case: nobody may wait for more of it for ever.
            self._passing.close()
            self._tell(there, ended=True, failure=failure)

    def _tell(self, there: int, *, ended: bool = False, failure: UpstreamSilent | None = None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody reads any more
            self._loop.call_soon_threadsafe(self._told, there, ended, failure)

    # --- in the loop

    def _told(self, there: int, ended: bool, failure: UpstreamSilent | None) -> None:
        self._there, self._failure = there, failure
        if ended and not self._ended:
            self._ended = True
            self._leave()
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _leave(self) -> None:
        """Its place is free, once: when it has come, or when nobody waits for it any more."""
        over, self._over = self._over, _nothing
        over()
        self._close_unread()

    def _close_unread(self) -> None:
        if self._ended and not self._readers and self._file >= 0:
            os.close(self._file)
            self._file = -1

    async def pieces(self, gone: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
        """See `_Source`."""
        if self._file < 0:  # it ended between the request and now
            raise UpstreamSilent("this file did not come")
        self._readers += 1
        try:
            position = 0
            while not gone():
                if position < self._there:
                    piece = os.pread(self._file, min(PIECE, self._there - position), position)
                    if not piece:
                        raise UpstreamSilent("this file was cut short here")
                    position += len(piece)
                    yield piece
                    await asyncio.sleep(0)  # a server that can send at once gives nobody else a turn
                elif self._failure is not None:
                    raise self._failure
                elif self._ended:
                    return
                else:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._moved.wait(), _LOOK_SECONDS)
        finally:
            self._readers -= 1
            if not self._readers and not self._ended:
                self.stop()
                self._leave()
            self._close_unread()


class Streaming:
    """A file on its way. To be given at once: until then nobody is known to wait for it."""

    def __init__(self, source: _Source, size: int | None) -> None:
        self._source = source
        self._size = size

    async def give(self, send: Send, *, head_only: bool, gone: Callable[[], bool]) -> None:
        """It is passed on, for as long as somebody reads it. The first bytes are there before anything is said of
        it."""
        async with contextlib.aclosing(self._source.pieces(gone)) as pieces:
            try:
                # After the status line, a failure could only be told by breaking off.
                first = await anext(pieces, b"")
            except UpstreamSilent as err:
                await say(send, text(502, err.what))
                return
            sizes = (("Content-Length", str(self._size)),) if self._size is not None else ()
            headers = encoded((("Content-Type", "application/octet-stream"), *sizes))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if head_only:
                await send({"type": "http.response.body", "body": b""})
                return
            await send({"type": "http.response.body", "body": first, "more_body": True})
            await _passed_on(pieces, send)
            await send({"type": "http.response.body", "body": b""})


async def _passed_on(pieces: AsyncIterator[bytes], send: Send) -> None:
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})


def _opened(path: Path | None) -> int | None:
    """The file, open once for all who read it: it may be renamed, or make room for others, meanwhile. None where there
    is none, or no descriptor for it."""
    try:
        return None if path is None else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _closed(passing: Passing, pool: ThreadPoolExecutor) -> None:
    """What was not whole is removed from disk: no work for the loop, nor for who is told to end."""
    try:
        pool.submit(passing.close)
    except RuntimeError:  # the pool has ended
        passing.close()


def _noted(fetched: Future[None]) -> None:
    """A fault of ours is told in the log; its readers know that the file did not come."""
    if not fetched.cancelled() and (fault := fetched.exception()) is not None:
        print(f"certified: {''.join(traceback.format_exception(fault))}", file=sys.stderr, flush=True)


def _nothing() -> None:
    pass
