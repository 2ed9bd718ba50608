"""The simple repository API as installers see it, read by parsers that nobody here wrote."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests
import zstandard
from index_fixtures import IndexFolder, make_wheel, post, sha256
from packaging.utils import NormalizedName
from pypi_simple import PyPISimple
from simple_repository.parser import parse_html_project_page, parse_json_project_page

from astronomer_certified.index.http.server import Server
from astronomer_certified.index.store.records import ProjectRecord, Status
from astronomer_certified.index.store.store import Store, Upload

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
TINY = NormalizedName("tiny")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A running index with `tiny` 1.0, which is yanked, and 1.1."""

    server: Server
    store: Store
    wheels: tuple[Path, ...]

    def get(self, path: str, **headers: str) -> requests.Response:
        # Not the library's own Accept-Encoding, and no decoding: what counts is what is on the wire.
        sent = {"Accept-Encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}
        raw = "Accept_Encoding" in headers
        return requests.get(f"{self.server.url}{path}", headers=sent, timeout=10, allow_redirects=False, stream=raw)

    def change(self, **values: Any) -> None:
        self.store.change(TINY, lambda record: replace(record, **values))


@pytest.fixture
def shelf(index_folder: IndexFolder, tmp_path: Path) -> Iterator[Shelf]:
    wheels = (make_wheel(tmp_path, version="1.0"), make_wheel(tmp_path, version="1.1"))
    with index_folder.server() as server:
        store = Store(index_folder.store)
        for wheel in wheels:
            with wheel.open("rb") as stream:  # beside the server: another process may publish too
                assert store.add(Upload(filename=wheel.name), stream)

        def yank(record: ProjectRecord) -> ProjectRecord:
            return record.holding(replace(record.files[0], yanked='it "<broke>" & burned'))

        store.change(TINY, yank)
        yield Shelf(server=server, store=store, wheels=wheels)


# --- what a page says


@pytest.mark.parametrize("accept", [JSON, HTML])
def test_both_forms_of_a_page_say_the_same_to_a_parser(shelf: Shelf, accept: str) -> None:
    with PyPISimple(shelf.server.simple_url) as client:
        page = client.get_project_page("tiny", accept=accept)
        old, new = page.packages
        metadata = client.get_package_metadata(new)

    assert page.repository_version == "1.4"
    assert page.status == "active"
    assert [package.filename for package in page.packages] == [wheel.name for wheel in shelf.wheels]
    assert [package.digests for package in page.packages] == [{"sha256": sha256(wheel)} for wheel in shelf.wheels]
    assert (old.is_yanked, old.yanked_reason) == (True, 'it "<broke>" & burned')
    assert (new.is_yanked, new.yanked_reason) == (False, None)
    assert new.has_metadata
    assert new.metadata_digests == {"sha256": hashlib.sha256(metadata.encode()).hexdigest()}
    assert "Name: tiny" in metadata
    if accept == JSON:
        assert page.versions == ["1.0", "1.1"]
        assert new.size == shelf.wheels[1].stat().st_size
        assert new.upload_time is not None


def test_another_parser_reads_the_same(shelf: Shelf) -> None:
    from_json = parse_json_project_page(shelf.get("simple/tiny/", Accept=JSON).text)
    from_html = parse_html_project_page(shelf.get("simple/tiny/", Accept=HTML).text, "tiny")

    assert [(file.filename, file.hashes, file.yanked) for file in from_html.files] == [
        (file.filename, file.hashes, file.yanked or None) for file in from_json.files
    ]
    assert from_json.versions == {"1.0", "1.1"}
    assert all(file.size and file.upload_time and file.dist_info_metadata for file in from_json.files)


def test_the_list_of_projects_is_there_in_both_forms(shelf: Shelf) -> None:
    with PyPISimple(shelf.server.simple_url) as client:
        assert client.get_index_page(accept=JSON).projects == ["tiny"]
        assert client.get_index_page(accept=HTML).projects == ["tiny"]


@pytest.mark.parametrize("status", list(Status))
def test_a_status_is_told_and_the_quarantined_have_no_files(shelf: Shelf, status: Status) -> None:
    shelf.change(status=status, reason="because <of> it")

    with PyPISimple(shelf.server.simple_url) as client:
        for accept in (JSON, HTML):
            page = client.get_project_page("tiny", accept=accept)
            assert (page.status, page.status_reason) == (status.value, "because <of> it")
            assert len(page.packages) == (0 if status is Status.QUARANTINED else 2)
    expected = 410 if status is Status.QUARANTINED else 200
    assert shelf.get(f"packages/{shelf.wheels[0].name}").status_code == expected


def test_provenance_is_linked_where_an_upload_brought_some(
    index_folder: IndexFolder, shelf: Shelf, tmp_path: Path
) -> None:
    import base64

    wheel = make_wheel(tmp_path, version="1.2")
    statement = {"subject": [{"name": wheel.name, "digest": {"sha256": sha256(wheel)}}]}
    attestation = {
        "version": 1,
        "verification_material": {"certificate": "MII=", "transparency_entries": []},
        "envelope": {"statement": base64.b64encode(json.dumps(statement).encode()).decode(), "signature": "c2ln"},
    }
    fields = {"sha256_digest": sha256(wheel), "attestations": json.dumps([attestation])}
    assert post(shelf.server.url, index_folder.credentials, wheel.name, wheel.read_bytes(), **fields).ok

    with PyPISimple(shelf.server.simple_url) as client:
        [package] = [p for p in client.get_project_page("tiny").packages if p.version == "1.2"]
        assert package.provenance_url is not None
        provenance = requests.get(package.provenance_url, timeout=10)
    assert provenance.headers["Content-Type"] == "application/vnd.pypi.integrity.v1+json"
    assert provenance.json()["attestation_bundles"][0]["attestations"] == [attestation]

    other = make_wheel(tmp_path, version="1.3")
    fields["sha256_digest"] = sha256(other)
    refused = post(shelf.server.url, index_folder.credentials, other.name, other.read_bytes(), **fields)
    assert (refused.status_code, "attestation about another file" in refused.reason) == (400, True)


# --- HTTP


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("*/*", "text/html; charset=utf-8", id="anything"),
        pytest.param("text/html", "text/html; charset=utf-8", id="old pip"),
        pytest.param(f"{JSON}, {HTML};q=0.1, text/html;q=0.01", JSON, id="pip"),
        pytest.param("application/vnd.pypi.simple.latest+json", JSON, id="latest"),
        pytest.param(f"{JSON};q=0.2, {HTML};q=0.9", HTML, id="weighted"),
        pytest.param(f"{JSON};q=0, */*", "text/html; charset=utf-8", id="not json"),
        pytest.param("image/png", None, id="nothing of ours"),
        pytest.param(f"{JSON};q=nonsense", None, id="no number"),
    ],
)
def test_the_form_is_negotiated(shelf: Shelf, accept: str, expected: str | None) -> None:
    answer = shelf.get("simple/tiny/", Accept=accept)

    assert answer.status_code == (200 if expected else 406)
    if expected:
        assert answer.headers["Content-Type"] == expected
        assert "Accept" in answer.headers["Vary"]


def test_the_form_may_be_asked_for_in_the_address(shelf: Shelf) -> None:
    assert shelf.get(f"simple/tiny/?format={JSON}").headers["Content-Type"] == JSON


@pytest.mark.parametrize(
    ("encoding", "decode"), [("gzip", gzip.decompress), ("zstd", zstandard.ZstdDecompressor().decompress)]
)
def test_pages_are_compressed_for_who_can_read_it(shelf: Shelf, encoding: str, decode: Any) -> None:
    plain = shelf.get("simple/tiny/")

    packed = shelf.get("simple/tiny/", Accept_Encoding=f"{encoding};q=0.5")

    assert packed.headers["Content-Encoding"] == encoding
    assert decode(packed.raw.read(decode_content=False)) == plain.content
    assert packed.headers["ETag"] != plain.headers["ETag"]


def test_an_unchanged_page_is_not_sent_again_and_a_changed_one_is(shelf: Shelf) -> None:
    first = shelf.get("simple/tiny/")

    again = shelf.get("simple/tiny/", If_None_Match=f'"other", W/{first.headers["ETag"]}')
    assert (again.status_code, again.content) == (304, b"")

    shelf.change(reason="changed")
    assert shelf.get("simple/tiny/", If_None_Match=first.headers["ETag"]).status_code == 200


def test_ranges_of_a_file_are_sent(shelf: Shelf) -> None:
    wheel = shelf.wheels[1]
    content, path = wheel.read_bytes(), f"packages/{wheel.name}"

    for asked, expected in [("bytes=0-9", content[:10]), ("bytes=-7", content[-7:]), ("bytes=5-", content[5:])]:
        part = shelf.get(path, Range=asked)
        assert (part.status_code, part.content) == (206, expected)
    assert shelf.get(path, Range="bytes=0-9").headers["Content-Range"] == f"bytes 0-9/{len(content)}"
    assert shelf.get(path, Range="bytes=99999-").status_code == 416
    assert shelf.get(path, Range="bytes=0-1,4-5").content == content
    assert shelf.get(path, Range="pages=1-2").content == content
    assert shelf.get(path, Range="bytes=0-9", If_Range='"another"').content == content
    assert shelf.get(path, If_None_Match=f'"{sha256(wheel)}"').status_code == 304


def test_a_large_file_comes_whole_and_in_part(index_folder: IndexFolder, shelf: Shelf, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, version="2.0", content="x = 1\n" * 500_000)
    assert post(shelf.server.url, index_folder.credentials, wheel.name, wheel.read_bytes()).ok
    content, path = wheel.read_bytes(), f"packages/{wheel.name}"

    assert shelf.get(path).content == content
    assert shelf.get(path, Range="bytes=1000-2500000").content == content[1000:2500001]
    assert requests.head(f"{shelf.server.url}{path}", timeout=10).headers["Content-Length"] == str(len(content))


def test_a_head_is_a_get_without_its_body(shelf: Shelf) -> None:
    for path in ("simple/tiny/", "simple/", f"packages/{shelf.wheels[0].name}"):
        full = shelf.get(path)
        only = requests.head(f"{shelf.server.url}{path}", headers={"Accept-Encoding": "identity"}, timeout=10)
        assert (only.status_code, only.content) == (200, b"")
        assert only.headers["Content-Length"] == str(len(full.content))
        assert only.headers["ETag"] == full.headers["ETag"]


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("simple", "simple/"),
        ("simple/tiny", "tiny/"),
        ("simple/Tiny/", "../tiny/"),
        ("simple/some__Thing.more", "some-thing-more/"),
    ],
)
def test_other_spellings_are_sent_to_the_right_one(shelf: Shelf, path: str, location: str) -> None:
    answer = shelf.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (301, location)


def test_many_requests_on_one_connection_are_answered_in_order(shelf: Shelf) -> None:
    host, port = shelf.server.url.removeprefix("http://").rstrip("/").split(":")
    lines = [f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in ("simple/", "simple/tiny/", "simple/nope/") * 200]
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        wire.sendall("".join(lines).encode() + b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b"".join(iter(lambda: wire.recv(1 << 16), b""))

    statuses = [line.split(b" ")[1] for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    # A status line follows a body without a line break between them, if the body has none at its end.
    assert received.count(b"HTTP/1.1 200") == 401
    assert received.count(b"HTTP/1.1 404") == 200
    assert statuses[-1] == b"200"
    assert received.endswith(b"Ok")


def test_a_file_behind_our_back_cut_short_is_withheld(shelf: Shelf) -> None:
    wheel = shelf.wheels[0]
    (shelf.store.root / wheel.name).write_bytes(wheel.read_bytes()[:-1])

    assert shelf.get(f"packages/{wheel.name}").status_code == 410
    assert shelf.get(f"packages/{shelf.wheels[1].name}").status_code == 200


def test_a_damaged_record_costs_its_own_project_only(index_folder: IndexFolder, shelf: Shelf, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "other")
    assert post(shelf.server.url, index_folder.credentials, wheel.name, wheel.read_bytes()).ok
    shelf.store.record_file(TINY).write_text("{")

    assert shelf.get("simple/tiny/").status_code == 500
    assert shelf.get(f"packages/{shelf.wheels[0].name}").status_code == 500
    assert shelf.get("simple/other/").status_code == 200
    assert shelf.server.running


def test_installers_that_cache_can(shelf: Shelf) -> None:
    page, file = shelf.get("simple/tiny/"), shelf.get(f"packages/{shelf.wheels[0].name}")
    assert page.headers["Cache-Control"] == "no-cache"
    assert "immutable" in file.headers["Cache-Control"]
    assert {"date", "etag"} <= set(map(str.lower, page.headers)) & set(map(str.lower, file.headers))
    assert "Last-Modified" in file.headers


# --- what nobody should ask


@pytest.mark.parametrize(
    "target",
    [
        "/simple/a%00b/", "/simple/a%00b", "/%00", "/packages/%00.whl",
        "/packages/../htpasswd", "/packages/..%2fhtpasswd",
        "/packages/%2e%2e/htpasswd", "/packages//etc/passwd", "/packages/.records/audit.jsonl", "/packages/.incoming/x",
        "/.records/audit.jsonl", "/simple/../packages/", "/simple/" + "a" * 8000 + "/", "/simple/%ff%fe/", "/simple/-/",
        "/simple//", "/simple/tiny//", "/simple/tiny/extra", "/integrity/%00", "/packages/x.whl.metadata", "/nothing",
        "/simple/%C3%BC/", "/packages/tiny-1.0-py3-none-any.whl%0d%0aX:y", "/favicon.ico", "/RPC2", "/simple/tiny/%20",
    ],
)  # fmt: skip
def test_a_strange_address_is_answered_plainly(shelf: Shelf, target: str) -> None:
    host, port = shelf.server.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        wire.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = b"".join(iter(lambda: wire.recv(1 << 16), b""))

    assert received[:9] == b"HTTP/1.1 "
    assert 300 <= int(received[9:12]) < 500
    assert b"root:" not in received
    assert b"X:y" not in received.split(b"\r\n\r\n")[0]


POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="both"),
        pytest.param(POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", id="two lengths"),
        pytest.param(POST + b"Content-Length: +5\r\n\r\nabcde", id="signed length"),
        pytest.param(POST + b"Content-Length: -1\r\n\r\n", id="negative length"),
        pytest.param(POST + b"Transfer-Encoding: xchunked\r\n\r\n", id="unknown encoding"),
        pytest.param(POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", id="space before colon"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", id="folded header"),
        pytest.param(b"GET /simple/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", id="two hosts"),
        pytest.param(b"GET /simple/ HTTP/1.1\nHost: x\r\n\r\n", id="bare line feed"),
        pytest.param(b"GET /simple/ HTTP/2.7\r\nHost: x\r\n\r\n", id="another version"),
        pytest.param(b"GET  /simple/  HTTP/1.1\r\nHost: x\r\n\r\n", id="two spaces"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="TLS"),
        pytest.param(b"GET /simple/ HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", id="huge header"),
        pytest.param(b"GET /simple/ HTTP/1.1\r\nHost: x\r\nGET /evil HTTP/1.1\r\n\r\n", id="a request as a header"),
        pytest.param(b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", id="method"),
    ],
)
def test_what_is_no_proper_request_gets_one_answer_and_no_second(shelf: Shelf, request_bytes: bytes) -> None:
    host, port = shelf.server.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        # What an attacker would hide behind it.
        wire.sendall(request_bytes + b"GET /simple/tiny/ HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        try:
            while chunk := wire.recv(1 << 16):
                received += chunk
        except ConnectionResetError:
            pass  # closed with unread bytes of ours on its side

    assert received.count(b"HTTP/1.1 ") + received.count(b"HTTP/1.0 ") <= 1
    assert received[9:10] in (b"4", b"5", b""), received[:200]
    assert received[9:12] not in (b"500", b"502", b"503")
    assert b"tiny-1.1" not in received
