"""Uploads whose form was made to cost something, or to be misread, sent to an index in a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from index_fixtures import IndexFolder, make_wheel, post

from astronomer_certified.index.auth import tokens
from astronomer_certified.index.auth.credentials import Credentials

Field = tuple[str | None, bytes] | tuple[str | None, bytes, str]
Spawn = Callable[[IndexFolder], tuple[subprocess.Popen[str], str]]


@pytest.fixture
def served(index_folder: IndexFolder, spawn: Spawn) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process, url = spawn(index_folder)
    yield process, url
    process.kill()


def sent(url: str, folder: IndexFolder, wheel: Path, timeout: float = 30, **fields: Field) -> requests.Response:
    """What is said of an upload with these fields."""
    form: dict[str, Field] = {":action": (None, b"file_upload"), "content": (wheel.name, wheel.read_bytes()), **fields}
    login = (folder.credentials.user, folder.credentials.password)
    return requests.post(url, files=form, auth=login, timeout=timeout)


@pytest.mark.parametrize("charset", ["punycode", "hex", "bogus", '"a b"', "utf-8", "utf-16", "unicode_escape", "idna"])
def test_no_charset_of_a_part_is_heeded(
    served: tuple[subprocess.Popen[str], str], index_folder: IndexFolder, tmp_path: Path, charset: str
) -> None:
    wheel = make_wheel(tmp_path / "wheels")
    long = b"a" * 1000 + b"-" + b"b" * 2_000_000

    start = time.monotonic()
    refused = sent(served[1], index_folder, wheel, name=(None, long, f"text/plain; charset={charset}"))

    assert (refused.status_code, time.monotonic() - start < 10) == (400, True), refused.text
    assert "is not what its form says" in refused.text
    assert sent(served[1], index_folder, wheel, name=(None, b"tiny", f"text/plain; charset={charset}")).ok


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"version": (None, b"1" * 5000)}, "is not what its form says"),
        ({"version": (None, b"\xff\xfe")}, "is not what its form says"),
        ({"name": ("name", b"tiny")}, "No field but content is a file"),
        ({"sha256_digest": ("digest", b"0")}, "No field but content is a file"),
        ({":action": (None, b"doc_upload")}, "takes no documentation"),
    ],
    ids=["digits", "bytes", "name in a file", "digest in a file", "documentation"],
)
def test_a_field_that_is_not_as_it_should_be_is_refused_and_named(
    served: tuple[subprocess.Popen[str], str],
    index_folder: IndexFolder,
    tmp_path: Path,
    fields: dict[str, Field],
    why: str,
) -> None:
    refused = sent(served[1], index_folder, make_wheel(tmp_path / "wheels"), **fields)

    assert (refused.status_code, why in refused.text) == (400, True), refused.text
    assert index_folder.published() == set()


def test_uploads_of_one_login_wait_for_each_other_and_keep_no_other_login_waiting(
    index_folder: IndexFolder, tmp_path: Path
) -> None:
    # That it takes its time to verify a file is tested with the verifier; here, whose turn it is.
    with index_folder.server() as server:
        assert server._run is not None
        assert server._run._loop is not None
        loop, coming = server._run._loop, server._run._application._uploads._coming
        for name in ("somebody else", "certified"):
            assert asyncio.run_coroutine_threadsafe(coming[name].turn.acquire(), loop).result(10)
        wheel = make_wheel(tmp_path / "wheels")
        answers: list[requests.Response] = []
        words = (server.url, index_folder.credentials, wheel.name, wheel.read_bytes())
        uploading = threading.Thread(target=lambda: answers.append(post(*words)))
        uploading.start()
        uploading.join(1)
        assert answers == []
        loop.call_soon_threadsafe(coming["certified"].turn.release)
        uploading.join(30)
        assert answers[0].ok


def test_a_token_has_turns_of_its_own(index_folder: IndexFolder, tmp_path: Path) -> None:
    # All of them are sent as the same user.
    made = [
        tokens.issue(index_folder.root / "tokens.json", name=name, user=name, projects=["*"], expires=None)
        for name in ("slow", "other")
    ]
    with index_folder.server() as server:
        assert server._run is not None
        assert server._run._loop is not None
        coming = server._run._application._uploads._coming
        turn = coming["slow (token slow)"].turn
        assert asyncio.run_coroutine_threadsafe(turn.acquire(), server._run._loop).result(10)
        wheel = make_wheel(tmp_path / "wheels")
        login = Credentials(user=tokens.USER, password=made[1])
        assert post(server.url, login, wheel.name, wheel.read_bytes()).ok
        assert set(coming) == {"slow (token slow)", "other (token other)"}
