"""Bodies of uploads, as they come: how many of one login, and how much."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from astronomer_certified.index.api.site import Answer
from astronomer_certified.index.auth.logins import Login
from astronomer_certified.index.http import uploads
from astronomer_certified.index.http.options import Options, Setup
from astronomer_certified.index.http.uploads import BODIES_OF_ONE, UploadRequest, Uploads
from astronomer_certified.index.store.store import Store

MB = 1 << 20


@pytest.fixture
def taking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    """Uploads of 1 MB at most, of which one more than there may be waits for a short time."""
    monkeypatch.setattr(uploads, "_FORM", 1000)
    monkeypatch.setattr(uploads, "_PATIENCE", 0.3)
    store = Store.open(tmp_path / "packages")
    made = Uploads(Setup(store=store.root, options=Options(max_upload=MB)), store)
    yield made
    made.close()


class Sender:
    """Somebody who sends a body, piece by piece, and says no more until he is let."""

    def __init__(self, *sizes: int) -> None:
        self.sent = 0
        self._sizes = list(sizes)
        self._waits = asyncio.Event()

    async def receive(self) -> MutableMapping[str, Any]:
        if not self._sizes:
            await self._waits.wait()
            return {"type": "http.disconnect"}
        self.sent += self._sizes[0]
        return {"type": "http.request", "body": bytes(self._sizes.pop(0)), "more_body": True}

    def end(self) -> None:
        self._waits.set()


def upload(name: str) -> UploadRequest:
    kind = {"content-type": "multipart/form-data; boundary=x"}
    return UploadRequest(user=name, login=Login(name=name), peer="", headers=kind, asked=True)


def within_a_loop(test: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await asyncio.wait_for(test(), 30)

    asyncio.run(run())


def begun(taking: Uploads, name: str, *sizes: int) -> tuple[Sender, asyncio.Task[Answer]]:
    sender = Sender(*sizes)
    return sender, asyncio.create_task(taking.take(upload(name), sender.receive))


def test_of_one_login_some_bodies_come_at_once_and_one_more_is_not_read(taking: Uploads) -> None:
    async def test() -> None:
        coming = [begun(taking, "ann", 1000) for _ in range(BODIES_OF_ONE)]
        more, refused = begun(taking, "ann", 1000)
        other, others = begun(taking, "bob", 1000)
        assert (await refused).status == 503
        assert [sender.sent for sender, _ in (*coming, (more, refused), (other, others))] == [
            *[1000] * BODIES_OF_ONE, 0, 1000
        ]  # fmt: skip
        next_one, waits = begun(taking, "ann", 1000)
        coming[0][0].end()
        assert (await coming[0][1]).status == 400  # cut short: its place is free
        await asyncio.sleep(0.1)
        assert next_one.sent == 1000
        for sender in (*[sender for sender, _ in coming], other, next_one):
            sender.end()
        await asyncio.gather(others, waits, *[task for _, task in coming])

    within_a_loop(test)


def test_the_bodies_of_one_login_are_never_larger_together_than_two_may_be(taking: Uploads) -> None:
    async def test() -> None:
        coming = [begun(taking, "ann", MB // 2, MB // 2) for _ in range(2)]
        await asyncio.sleep(0.2)
        _, refused = begun(taking, "ann", MB // 2)
        answer = await refused
        assert (answer.status, "too large together" in answer.reason) == (503, True)
        _, single = begun(taking, "bob", MB, MB)
        assert (await single).status == 413
        for sender, _ in coming:
            sender.end()
        await asyncio.gather(*[task for _, task in coming])
        sender, again = begun(taking, "ann", MB)
        sender.end()
        assert (await again).status == 400  # cut short, and not too much: what is over counts no more

    within_a_loop(test)


def test_of_a_body_little_is_kept_in_memory(taking: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    receive = taking._received

    async def watching(body: uploads._Body, rest: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> Answer | None:
        found = await receive(body, rest)
        written.append(body.file.tell())
        assert body.file._rolled  # on disk, and not in memory
        return found

    monkeypatch.setattr(taking, "_received", watching)

    async def test() -> None:
        sender, task = begun(taking, "ann", *[64 << 10] * 8)
        sender.end()
        assert (await task).status == 400

    within_a_loop(test)
    assert written == [512 << 10]
