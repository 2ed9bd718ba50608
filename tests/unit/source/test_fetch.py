"""Files of a real index on this machine, which tears, lies, forgets and goes away."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from factories import tree
from packaging.utils import canonicalize_name

from astronomer_certified.artifacts import PinnedFile
from astronomer_certified.errors import DigestMismatch, UpstreamError
from astronomer_certified.source import fetch, index_client
from astronomer_certified.workspace import Workspace

NAME = "demo-1.0.tar.gz"
CONTENT = random.Random(1).randbytes(1_000_000)
DIGEST = sha256(CONTENT).hexdigest()
PINNED = PinnedFile(project=canonicalize_name("demo"), filename=NAME, sha256=DIGEST)


@dataclass
class Index:
    """A PEP 503 index of one file, and what it was asked for. Each tear ends one transfer after so many bytes."""

    content: bytes = CONTENT
    listed: str | None = DIGEST
    name: str = NAME
    page_type: str = "text/html"
    knows_ranges: bool = True
    status: int = 200
    tears: list[int] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    pages: int = 0
    url: str = ""
    slow: threading.Event | None = None

    def handler(self) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/simple/demo/":
                    index.pages += 1
                    fragment = f"#sha256={index.listed}" if index.listed else ""
                    link = f'<a href="/files/{index.name}{fragment}">{index.name}</a>'
                    page = f"<!DOCTYPE html><html><body>{link}</body></html>"
                    self.answer(200, page.encode(), index.page_type)
                elif self.path == f"/files/{index.name}":
                    self.file()
                else:
                    self.answer(404, b"", "text/plain")

            def file(self) -> None:
                asked = self.headers["Range"]
                index.ranges.append(asked)
                if index.slow:
                    index.slow.wait(10)
                if index.status != 200:
                    self.answer(index.status, b"", "text/plain")
                elif asked and index.knows_ranges:
                    begin = int(asked.removeprefix("bytes=").removesuffix("-"))
                    if begin >= len(index.content):
                        self.answer(416, b"", "text/plain")
                    else:
                        self.answer(206, index.content[begin:], "application/gzip")
                else:
                    self.answer(200, index.content, "application/gzip")

            def answer(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                torn = index.tears.pop(0) if index.tears and kind == "application/gzip" else None
                self.wfile.write(body[:torn])

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the test's output is for failures."""

        return Handler


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The upstream index of this test."""
    made = Index()
    server = ThreadingHTTPServer(("127.0.0.1", 0), made.handler())
    made.url = f"http://127.0.0.1:{server.server_port}/simple"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    monkeypatch.setenv(index_client.INDEX_VARIABLE, made.url)
    index_client.index_url.cache_clear()
    yield made
    index_client.index_url.cache_clear()
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an index where nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        url = f"http://127.0.0.1:{server.server_port}/simple"
    monkeypatch.setenv(index_client.INDEX_VARIABLE, url)
    index_client.index_url.cache_clear()
    yield url
    index_client.index_url.cache_clear()


def cached(workspace: Workspace) -> Path:
    return workspace.cached(DIGEST, NAME)


def files_in(workspace: Workspace) -> dict[str, bytes]:
    """What lies in the cache, locks left out."""
    found = tree(workspace.cache) if workspace.cache.is_dir() else {}
    return {Path(name).name: content for name, content in found.items() if not name.endswith(".lock")}


def test_a_file_is_fetched_checked_and_cached(index: Index, workspace: Workspace) -> None:
    fetched = fetch.fetch(PINNED, workspace)
    assert fetched.path == cached(workspace)
    assert fetched.pinned == PINNED
    assert files_in(workspace) == {NAME: CONTENT}
    assert index.ranges == [None]


def test_what_is_cached_needs_no_network(nobody: str, workspace: Workspace) -> None:
    cached(workspace).parent.mkdir(parents=True)
    cached(workspace).write_bytes(CONTENT)
    assert fetch.fetch(PINNED, workspace).path == cached(workspace)


def test_a_second_fetch_asks_nobody(index: Index, workspace: Workspace) -> None:
    fetch.fetch(PINNED, workspace)
    fetch.fetch(PINNED, workspace)
    assert (index.pages, len(index.ranges)) == (1, 1)


def test_a_file_of_another_content_is_refused_with_both_hashes_and_not_kept(index: Index, workspace: Workspace) -> None:
    index.content = CONTENT[:-1] + b"!"
    with pytest.raises(DigestMismatch) as caught:
        fetch.fetch(PINNED, workspace)
    assert caught.value.what == f"{NAME} does not have the sha256 that this repository says"
    assert caught.value.details == (
        f"expected   {DIGEST}",
        f"downloaded {sha256(index.content).hexdigest()}",
    )
    assert files_in(workspace) == {}


def test_a_hash_that_the_index_lists_otherwise_is_refused_before_the_download(
    index: Index, workspace: Workspace
) -> None:
    index.listed = "0" * 64
    with pytest.raises(DigestMismatch) as caught:
        fetch.fetch(PINNED, workspace)
    assert caught.value.details == (f"expected   {DIGEST}", f"the index lists it with {'0' * 64}")
    assert index.ranges == []
    assert files_in(workspace) == {}


def test_an_index_that_lists_no_hash_is_no_obstacle(index: Index, workspace: Workspace) -> None:
    index.listed = None
    assert fetch.fetch(PINNED, workspace).path.read_bytes() == CONTENT


def test_a_torn_download_goes_on_where_it_stopped(index: Index, workspace: Workspace) -> None:
    index.tears = [600_000, 200_000]
    assert fetch.fetch(PINNED, workspace).path.read_bytes() == CONTENT
    first, *rest = index.ranges
    begins = [int(str(asked).removeprefix("bytes=").removesuffix("-")) for asked in rest]
    assert first is None
    assert len(begins) == 2
    assert 0 < begins[0] <= 600_000
    assert begins[0] <= begins[1] <= begins[0] + 200_000


def test_a_torn_download_starts_again_where_the_server_knows_no_ranges(index: Index, workspace: Workspace) -> None:
    index.tears, index.knows_ranges = [600_000], False
    assert fetch.fetch(PINNED, workspace).path.read_bytes() == CONTENT
    assert len(index.ranges) == 2
    assert files_in(workspace) == {NAME: CONTENT}


def test_what_a_killed_run_downloaded_is_used(index: Index, workspace: Workspace) -> None:
    cached(workspace).parent.mkdir(parents=True)
    cached(workspace).with_name(f"{NAME}.part").write_bytes(CONTENT[:700_000])
    assert fetch.fetch(PINNED, workspace).path.read_bytes() == CONTENT
    assert index.ranges == ["bytes=700000-"]
    assert files_in(workspace) == {NAME: CONTENT}


@pytest.mark.parametrize(
    "left",
    [bytes(700_000), CONTENT + b"more", bytes(len(CONTENT))],
    ids=["another beginning", "too long", "as long but zeros, as after a power cut"],
)
def test_what_a_killed_run_left_is_not_trusted(index: Index, workspace: Workspace, left: bytes) -> None:
    cached(workspace).parent.mkdir(parents=True)
    cached(workspace).with_name(f"{NAME}.part").write_bytes(left)
    assert fetch.fetch(PINNED, workspace).path.read_bytes() == CONTENT
    assert index.ranges == [f"bytes={len(left)}-", None]
    assert files_in(workspace) == {NAME: CONTENT}


def test_a_download_that_is_torn_again_and_again_is_one_error_and_can_be_continued(
    index: Index, workspace: Workspace
) -> None:
    index.tears = [300_000, 10, 10, 10]
    with pytest.raises(UpstreamError, match="the upstream index does not answer"):
        fetch.fetch(PINNED, workspace)
    assert not cached(workspace).exists()
    assert fetch.fetch(PINNED, workspace).path.read_bytes() == CONTENT
    assert index.ranges[-1] is not None


def test_a_file_that_rotted_in_the_cache_is_fetched_again(index: Index, workspace: Workspace) -> None:
    cached(workspace).parent.mkdir(parents=True)
    cached(workspace).write_bytes(b"rot")
    assert fetch.fetch(PINNED, workspace).path.read_bytes() == CONTENT


def test_an_index_where_nobody_listens_is_one_clear_error(nobody: str, workspace: Workspace) -> None:
    with pytest.raises(UpstreamError) as caught:
        fetch.fetch(PINNED, workspace)
    assert caught.value.what == f"the upstream index does not answer: {nobody}"
    assert "CERTIFIED_UPSTREAM_INDEX_URL" in str(caught.value.hint)
    assert files_in(workspace) == {}


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_server_that_refuses_is_one_clear_error(index: Index, workspace: Workspace, status: int) -> None:
    index.status = status
    with pytest.raises(UpstreamError, match="the upstream index does not answer") as caught:
        fetch.fetch(PINNED, workspace)
    assert str(status) in caught.value.details[0]
    assert files_in(workspace) == {}


def test_a_project_that_the_index_does_not_have_is_named(index: Index, workspace: Workspace) -> None:
    other = PinnedFile(project=canonicalize_name("other"), filename=NAME, sha256=DIGEST)
    with pytest.raises(UpstreamError, match="other is not on the upstream index") as caught:
        fetch.fetch(other, workspace)
    assert caught.value.details == (index.url,)


def test_a_file_that_is_gone_says_where_a_copy_may_be_put(index: Index, workspace: Workspace) -> None:
    index.name = "demo-1.1.tar.gz"
    with pytest.raises(UpstreamError, match=r"demo-1\.0\.tar\.gz is not on the upstream index any more") as caught:
        fetch.fetch(PINNED, workspace)
    assert str(cached(workspace)) in str(caught.value.hint)


def test_an_index_that_answers_something_else_is_one_clear_error(index: Index, workspace: Workspace) -> None:
    index.page_type = "image/png"
    with pytest.raises(UpstreamError, match="the upstream index does not answer"):
        fetch.fetch(PINNED, workspace)


def test_two_at_once_share_one_download(index: Index, workspace: Workspace) -> None:
    index.slow = threading.Event()
    fetched: list[Path] = []
    threads = [threading.Thread(target=lambda: fetched.append(fetch.fetch(PINNED, workspace).path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    index.slow.set()
    for thread in threads:
        thread.join()
    assert fetched == [cached(workspace)] * 3
    assert len(index.ranges) == 1


def test_the_index_is_that_of_the_variable_then_that_of_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    index_client.index_url.cache_clear()
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nindex-url = http://127.0.0.1:9/pip/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    assert index_client.index_url() == "http://127.0.0.1:9/pip/simple"
    index_client.index_url.cache_clear()
    monkeypatch.setenv(index_client.INDEX_VARIABLE, "http://127.0.0.1:9/simple")
    assert index_client.index_url() == "http://127.0.0.1:9/simple"
    index_client.index_url.cache_clear()


def test_a_listing_says_what_is_known_of_each_file(index: Index) -> None:
    (listed,) = index_client.files(canonicalize_name("demo"))
    assert (listed.filename, listed.sha256, listed.version) == (NAME, DIGEST, "1.0")
    assert listed.url.endswith(f"/files/{NAME}")
