"""Upstream may be hostile, or merely large, slow and silent: what it can make this index do."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import hashlib
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from other_indexes import JSON, PAGE, Said, answering, proxy, speaking
from packaging.utils import NormalizedName
from tiny_wheels import NAME, wheel

from astronomer_certified.effects import web
from astronomer_certified.effects.web import NotPublic, TooMuch, host_of, is_public
from astronomer_certified.errors import PublishError
from astronomer_certified.index.api import pages
from astronomer_certified.index.api.fallback import Fallback, Mode
from astronomer_certified.index.api.pages import Places
from astronomer_certified.index.api.passthrough import Passthrough
from astronomer_certified.index.api.proxy import Passing, UpstreamSilent
from astronomer_certified.index.api.site import Answer
from astronomer_certified.index.api.upstream_cache import UpstreamCache, UpstreamPage
from astronomer_certified.index.api.web_pages import WebPages
from astronomer_certified.index.copies import mirror, nginx
from astronomer_certified.index.http import from_upstream
from astronomer_certified.index.http.from_upstream import FILES_OF_ONE
from astronomer_certified.index.http.options import Options
from astronomer_certified.index.http.server import Server
from astronomer_certified.index.store.records import ProjectRecord, Status
from astronomer_certified.index.store.store import Store

TINY = NormalizedName("tiny")
SHA256 = hashlib.sha256(wheel()).hexdigest()


def page(*files: dict[str, object], **more: object) -> bytes:
    return json.dumps(
        PAGE | {"project-status": {"status": "active"}, "files": files, "versions": ["1.0"]} | more
    ).encode()


def listed(url: str, **more: object) -> dict[str, object]:
    return {"filename": NAME, "url": url, "hashes": {"sha256": SHA256}, **more}


def told(body: bytes) -> Said:
    return Said(headers={"Content-Type": JSON}, pieces=[body])


# --- addresses


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "255.255.255.255", "224.0.0.1", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1", "::127.0.0.1",
        "::10.0.0.1", "64:ff9b:1::7f00:1",
    ],
)  # fmt: skip
def test_no_private_address_is_public_however_it_is_dressed(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


def test_a_private_machine_is_asked_only_when_somebody_here_named_it() -> None:
    with answering(lambda path: Said(pieces=[b"secret"])) as there:
        for named in ((), ("127.0.0.2",), ("127.0.0.1:1",)):
            with web.session(named) as client, pytest.raises(NotPublic, match="is no public address"):
                client.get(there, timeout=5)
        for named in (("127.0.0.1",), (host_of(there),)):
            with web.session(named) as client:
                assert client.get(there, timeout=5).content == b"secret"
        with web.session(("LocalHost",)) as client:
            assert client.get(there.replace("127.0.0.1", "localhost"), timeout=5).content == b"secret"


def test_neither_a_name_nor_a_redirect_leads_to_a_private_machine() -> None:
    with (
        answering(lambda path: Said(pieces=[b"secret"])) as inside,
        answering(lambda path: Said(status=302, headers={"Location": inside})) as outside,
        web.session((host_of(outside),)) as client,
    ):
        with pytest.raises(NotPublic, match=host_of(inside)):
            client.get(outside, timeout=5)
        with pytest.raises(NotPublic, match=r"localhost:\d+ is not asked"):
            client.get(inside.replace("127.0.0.1", "localhost"), timeout=5)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://localhost/", "https://[::1]/", "http://a.localhost/"])
def test_a_private_address_is_not_asked_of_a_machine_wide_proxy_either(url: str) -> None:
    with web.session(()) as client, pytest.raises(NotPublic):
        client.get(url, proxies={"http": "http://127.0.0.1:9/", "https": "http://127.0.0.1:9/"}, timeout=5)


def test_a_page_of_upstream_chooses_no_private_machine(tmp_path: Path) -> None:
    with answering(lambda path: Said(pieces=[wheel()])) as inside:
        there = page(listed(f"{inside}{NAME}"))
        with answering(lambda path: told(there)) as upstream:
            with pytest.raises(UpstreamSilent, match="upstream does not give this"):
                proxy(upstream, tmp_path).file(TINY, NAME)
            allowed = proxy(upstream, tmp_path, host_of(inside)).file(TINY, NAME)
            assert isinstance(allowed, Passing)
            assert b"".join(allowed.pieces) == wheel()


# --- pages


def test_a_name_that_upstream_does_not_have_leaves_nothing_on_disk_and_is_asked_for_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def nothing(path: str) -> Said:
        asked.append(path)
        return Said(status=404)

    with answering(nothing) as upstream:
        here = proxy(upstream, tmp_path)
        assert [here.page(NormalizedName(f"n{number % 50}")) for number in range(100)] == [None] * 100
    assert len(asked) == 50
    assert not (tmp_path / "kept").exists()


def test_of_the_names_that_upstream_does_not_have_ten_thousand_are_remembered(tmp_path: Path) -> None:
    cache = UpstreamCache(tmp_path, 1 << 20)
    for number in range(10_001):
        cache.note_absent(NormalizedName(f"n{number}"))
    assert [cache.is_absent(NormalizedName(name)) for name in ("n0", "n1", "n10000")] == [False, True, True]


@pytest.mark.parametrize("html", [False, True], ids=["JSON", "HTML"])
def test_a_status_that_nobody_knows_yet_forbids_nothing_here(tmp_path: Path, html: bool) -> None:
    if html:
        meta = (
            '<meta name="pypi:project-status" content="embalmed"><meta name="pypi:project-status-reason" content="so">'
        )
        kind, body = (
            "text/html; charset=utf-8",
            f'<html><head>{meta}</head><a href="{NAME}#sha256={SHA256}">{NAME}</a></html>',
        )
    else:
        kind, body = JSON, page(listed(NAME), **{"project-status": {"status": "embalmed", "reason": "so"}}).decode()
    with speaking(kind, body) as upstream:
        found = proxy(upstream, tmp_path).page(TINY)
    assert found is not None
    record = found.record
    assert (record.status, record.reason, [file.filename for file in record.files]) == (Status.ACTIVE, "so", [NAME])


def hostile(body: str) -> bytes:
    return ('{"meta": {"api-version": "1.1"}, "name": "tiny", ' + body + "}").encode()


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b"[" * 100_000,
        b"9" * 10_000,
        hostile('"files": null'),
        hostile('"files": [' + "[" * 10_000),
        hostile('"files": {"a": 1}'),
        hostile('"project-status": [1], "files": []'),
        hostile('"project-status": {"status": "active", "reason": "\\ud800"}, "files": []'),
        hostile(f'"files": [{{"filename": "{NAME}", "url": "\\ud800", "hashes": {{"sha256": "{SHA256}"}}}}]'),
        hostile(
            f'"files": [{{"filename": "{NAME}", "url": "x", "hashes": {{"sha256": "{SHA256}"}}, '
            '"requires-python": "\\udfff"}]'
        ),
        hostile('"files": [{"filename": 1, "url": 2, "hashes": 3}]'),
    ],
)
def test_a_page_that_is_none_is_told_as_such_and_the_next_one_is_read(tmp_path: Path, body: bytes) -> None:
    there = {"/tiny/": body, "/good/": page(listed("good-1.0.tar.gz"))}

    def answer(path: str) -> Said:
        return Said(headers={"Content-Type": JSON}, pieces=[there[path]])

    with answering(answer) as upstream:
        here = proxy(upstream, tmp_path)
        with pytest.raises(UpstreamSilent, match="does not tell what it has of tiny"):
            here.page(TINY)
        assert here.page(NormalizedName("good")) is not None


def test_a_page_that_takes_too_much_to_read_ends_nobody_but_its_reader(tmp_path: Path) -> None:
    # Four megabytes of HTML once took half a minute and 874 MB of the process that answers. This takes a second.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with speaking(JSON, "[" + '{"":0},' * (9 << 19) + "0]") as upstream:
        here = proxy(upstream, tmp_path)
        with pytest.raises(UpstreamSilent) as caught:
            here.page(TINY)
    assert "takes more time or memory" in str(caught.value.details)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


def endless(limit: int) -> Iterator[bytes]:
    for _ in range(limit >> 20):
        yield b" " * (1 << 20)


@pytest.mark.parametrize(
    "said",
    [
        Said(headers={"Content-Type": JSON}, pieces=endless(200 << 20)),
        Said(headers={"Content-Type": JSON, "Content-Encoding": "gzip"}, pieces=[gzip.compress(bytes(200 << 20), 9)]),
    ],
    ids=["as it is", "compressed"],
)
def test_a_page_without_end_is_not_read_to_its_end(tmp_path: Path, said: Said) -> None:
    begun = time.monotonic()
    with answering(lambda path: said) as upstream:
        with pytest.raises(UpstreamSilent) as caught:
            proxy(upstream, tmp_path).page(TINY)
        assert "sends more than the 33554432 bytes" in caught.value.details[0]
    assert time.monotonic() - begun < 20


def test_who_only_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_PATIENCE", 0.2)

    def drops() -> Iterator[bytes]:
        for _ in range(50):
            time.sleep(0.05)
            yield b"."

    with (
        answering(lambda path: Said(pieces=drops())) as there,
        web.session(("127.0.0.1",)) as client,
        client.get(there, stream=True, timeout=5) as answer,
        pytest.raises(TooMuch, match=r"sent \d bytes in 0 s"),
    ):
        list(web.pieces(answer, 1000))


def test_a_body_that_breaks_off_is_an_error_and_no_end() -> None:
    cut = Said(headers={"Content-Length": "1000"}, pieces=[b"half"])
    with (
        answering(lambda path: cut) as there,
        web.session(("127.0.0.1",)) as client,
        client.get(there, stream=True, timeout=5) as answer,
        pytest.raises(requests.ConnectionError),
    ):
        list(web.pieces(answer, 1000))


def test_a_login_at_upstream_is_told_to_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store.open(tmp_path / "store")
    with answering(lambda path: told(page(listed(f"http://127.0.0.1:1/{NAME}")))) as upstream:
        url = upstream.replace("://", "://ann:hunter2@")
        passing = Passthrough(store, Fallback(mode=Mode.PROXY, url=url), proxy(url, tmp_path))
        answer = passing.answer("/simple/tiny/", "", {"accept": JSON})
        assert isinstance(answer, Answer)
        assert b"/tiny/" in answer.body
        with pytest.raises(UpstreamSilent) as refused:
            proxy(url.replace("ann", "bob") + "nowhere/", tmp_path / "b").file(TINY, NAME)
    said = [answer.body.decode(), str(refused.value), capsys.readouterr().err]
    said += [Fallback(mode=Mode.REDIRECT, url=url).page(TINY) or ""]
    said += [nginx.configuration(tmp_path, listen="80", upstream=url, protected=[])]
    kept = [file.read_text() for file in (tmp_path / "kept" / "pages").iterdir()]
    assert len(kept) == 1
    said += kept
    said += [str(caught(lambda: list(mirror.mirror(store, mirror.Source(url=url), [TINY]))))]
    assert not [words for words in said if "hunter2" in words]
    assert said[3] == f"{upstream}tiny/"


def test_an_address_with_an_encoded_slash_has_no_page_whose_links_would_lead_elsewhere(tmp_path: Path) -> None:
    with answering(lambda path: told(page(listed(f"http://127.0.0.1:1/{NAME}")))) as upstream:
        passing = Passthrough(
            Store.open(tmp_path / "store"), Fallback(mode=Mode.PROXY, url=upstream), proxy(upstream, tmp_path)
        )
        assert passing.answer("/simple/tiny/", "", {"accept": JSON}) is not None
        assert passing.answer("/simple%2Ftiny/", "", {"accept": JSON}) is None


def caught(call: Callable[[], object]) -> PublishError:
    with pytest.raises(PublishError) as error:
        call()
    return error.value


# --- files


def test_a_file_that_is_longer_than_its_page_says_is_cut_off(tmp_path: Path) -> None:
    def answer(path: str) -> Said:
        return (
            Said(pieces=[wheel(), bytes(1 << 20)])
            if path.endswith(".whl")
            else told(page(listed(NAME, size=len(wheel()))))
        )

    with answering(answer) as upstream:
        passing = proxy(upstream, tmp_path).file(TINY, NAME)
        assert isinstance(passing, Passing)
        with pytest.raises(UpstreamSilent, match="upstream does not give this"):
            b"".join(passing.pieces)
    assert not list((tmp_path / "kept" / "files").rglob("*.whl"))
    assert not list((tmp_path / "kept" / "files").rglob(".*"))


def test_a_disk_without_room_is_no_reason_to_give_a_client_nothing(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("no folder")  # nothing can be written below it
    answer = {"/tiny/": told(page(listed(f"/files/{NAME}"))), f"/files/{NAME}": Said(pieces=[wheel()])}
    with answering(answer.__getitem__) as upstream:
        for _ in range(2):
            passing = proxy(upstream, tmp_path).file(TINY, NAME)
            assert isinstance(passing, Passing)
            assert b"".join(passing.pieces) == wheel()


def test_what_was_used_longest_ago_goes_when_the_quota_is_used_up(tmp_path: Path) -> None:
    cache = UpstreamCache(tmp_path, 100_000)
    places = []
    for number in range(12):
        content = bytes([number]) * 10_000
        place = cache.place(hashlib.sha256(content).hexdigest(), f"tiny-{number}.tar.gz")
        with cache.keeping(place, len(content)) as keeping:
            keeping.write(content)
            keeping.whole()
        places.append(place)
        used = time.time_ns() - (3600 - number) * 10**9
        os.utime(place, ns=(used, used))
    first = hashlib.sha256(bytes(10_000)).hexdigest()
    there = [place.exists() for place in places]
    assert sum(there) <= 11
    assert there == sorted(there)  # the oldest are gone, and no newer one is

    kept = places[there.index(True)]
    content = bytes([there.index(True)]) * 10_000
    assert cache.has(kept, hashlib.sha256(content).hexdigest())  # used now: others go before it
    cache.wrote(100_000)
    assert kept.exists()
    assert not cache.has(kept, first)


def test_pages_have_the_same_quota_and_the_last_is_served_whatever_there_is(tmp_path: Path) -> None:
    cache = UpstreamCache(tmp_path, 5000)
    for number in range(100):
        name = NormalizedName(f"n{number}")
        cache.keep_page(name, UpstreamPage(record=ProjectRecord(name=name), urls={}, read=number))
        old = tmp_path / "pages" / f"{name}.json"
        os.utime(old, ns=((time.time_ns() - 3600 * 10**9),) * 2)
    size = sum(path.stat().st_size for path in (tmp_path / "pages").iterdir())
    assert size < 5500
    name = NormalizedName("last")
    cache.keep_page(name, UpstreamPage(record=ProjectRecord(name=name, reason="here"), urls={}, read=1))
    found = cache.page(name)
    assert found is not None
    assert found.record.reason == "here"


def test_a_page_that_was_kept_by_another_program_or_torn_is_asked_for_again(tmp_path: Path) -> None:
    with answering(lambda path: told(page(listed(NAME)))) as upstream:
        assert proxy(upstream, tmp_path).page(TINY) is not None
        kept = tmp_path / "kept" / "pages" / "tiny.json"
        for torn in (b"", b"{", b"[]", b'{"record": null, "urls": {}}', b'{"record": "{}", "urls": {}}', b"\xff"):
            kept.write_bytes(torn)
            record = proxy(upstream, tmp_path).page(TINY)
            assert record is not None
            assert record.find(NAME) is not None


# --- many at once


def numbered(count: int, url: str) -> bytes:
    """A page of so many files of the same bytes."""
    names = [f"tiny-1.0-{n}-py3-none-any.whl" for n in range(count)]
    return page(*(listed(f"{url}{name}", filename=name, size=len(wheel())) for name in names))


def test_files_that_come_slowly_keep_no_page_waiting_and_one_too_many_is_told_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_upstream, "_PLACE_SECONDS", 0.5)
    begun = threading.Barrier(FILES_OF_ONE + 1)
    over = threading.Event()

    def dripping() -> Iterator[bytes]:
        # The last piece that came is held back until more comes.
        for number in range(10):
            yield wheel()[number : number + 1]
            time.sleep(0.05)
        over.wait(30)
        yield wheel()[10:]

    def answer(path: str) -> Said:
        if path.endswith("tiny/"):
            return Said(headers={"Content-Type": JSON}, pieces=[numbered(FILES_OF_ONE + 1, "/files/")])
        return Said(pieces=dripping())

    def ask(url: str) -> int:
        with requests.get(url, stream=True, timeout=30) as answered:
            begun.wait(30)
            # A reader who hung up would make room.
            over.wait(30)
            assert answered.content == wheel()
            return answered.status_code

    with (
        answering(answer) as upstream,
        Server(tmp_path / "packages", fallback=f"{upstream}simple/", options=Options(mode=Mode.PROXY)) as server,
        ThreadPoolExecutor(FILES_OF_ONE) as readers,
    ):
        files = [f"{server.url}upstream/tiny/tiny-1.0-{n}-py3-none-any.whl" for n in range(FILES_OF_ONE + 1)]
        asked = [readers.submit(ask, file) for file in files[1:]]
        begun.wait(30)
        start = time.monotonic()
        assert requests.get(f"{server.url}simple/tiny/", timeout=10).ok
        assert requests.get(files[0], timeout=10).status_code == 503
        assert time.monotonic() - start < 5
        monkeypatch.setattr(from_upstream, "_PLACE_SECONDS", 30.0)
        late = readers.submit(requests.get, files[0], timeout=30)
        over.set()
        assert [one.result(30) for one in asked] == [200] * FILES_OF_ONE
        assert late.result(30).content == wheel()


def test_who_reads_slowly_keeps_nobody_from_upstream_and_a_file_comes_once_for_all(tmp_path: Path) -> None:
    large = os.urandom(8 << 20)
    digest = hashlib.sha256(large).hexdigest()
    asked: list[str] = []
    go_on = threading.Event()

    def coming() -> Iterator[bytes]:
        yield large[: 1 << 20]
        go_on.wait(30)
        yield large[1 << 20 :]

    def answer(path: str) -> Said:
        if path.endswith("tiny/"):
            file = listed("/files/large", filename="tiny-2.0.tar.gz", hashes={"sha256": digest}, size=len(large))
            return told(page(file))
        if path.endswith("good/"):
            return told(page(listed("/files/good", filename="good-1.0.tar.gz"), name="good"))
        asked.append(path)
        return Said(pieces=coming() if path.endswith("large") else [wheel()])

    with (
        answering(answer) as upstream,
        Server(tmp_path / "packages", fallback=f"{upstream}simple/", options=Options(mode=Mode.PROXY)) as server,
        contextlib.ExitStack() as stack,
        ThreadPoolExecutor(1) as reader,
    ):
        host, port = server.url.removeprefix("http://").rstrip("/").split(":")
        for _ in range(40):
            wire = stack.enter_context(socket.create_connection((host, int(port))))
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.sendall(b"GET /upstream/tiny/tiny-2.0.tar.gz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.recv(12) == b"HTTP/1.1 200"
        reading = reader.submit(requests.get, f"{server.url}upstream/tiny/tiny-2.0.tar.gz", timeout=30)
        go_on.set()
        assert reading.result(30).content == large
        assert requests.get(f"{server.url}upstream/good/good-1.0.tar.gz", timeout=10).content == wheel()
        assert asked == ["/files/large", "/files/good"]


@pytest.mark.parametrize("stated", [10**12, None])
def test_no_file_on_its_way_takes_more_than_the_quota(tmp_path: Path, stated: int | None) -> None:
    most = 0
    kept = tmp_path / "upstream"
    content = bytes(32 << 20)

    def much() -> Iterator[bytes]:
        nonlocal most
        for at in range(0, len(content), 1 << 20):
            yield content[at : at + (1 << 20)]
            most = max(most, sum(file.stat().st_blocks * 512 for file in kept.rglob("*") if file.is_file()))

    def answer(path: str) -> Said:
        more = {"hashes": {"sha256": hashlib.sha256(content).hexdigest()}} | ({"size": stated} if stated else {})
        return told(page(listed("/files/much", **more))) if path.endswith("tiny/") else Said(pieces=much())

    # What can be passed on is, as far as it may be kept as a whole.
    options = Options(mode=Mode.PROXY, kept=kept, upstream_quota=len(content) + (1 << 20))
    with (
        answering(answer) as upstream,
        Server(tmp_path / "packages", fallback=f"{upstream}simple/", options=options) as server,
    ):
        assert requests.get(f"{server.url}upstream/tiny/{NAME}", timeout=30).content == content
    assert most < 4 << 20
    assert not [file for file in kept.rglob("*") if file.suffix == ".whl"]


@pytest.mark.parametrize("more", [{}, {"size": len(wheel()) + 1000}, {"size": len(wheel())}])
def test_a_file_is_kept_as_long_as_it_is_whatever_was_stated_and_comes_once(
    tmp_path: Path, more: dict[str, object]
) -> None:
    asked: list[str] = []

    def answer(path: str) -> Said:
        asked.append(path)
        return told(page(listed(f"/files/{NAME}", **more))) if path.endswith("tiny/") else Said(pieces=[wheel()])

    kept = tmp_path / "upstream"
    with (
        answering(answer) as upstream,
        Server(
            tmp_path / "packages", fallback=f"{upstream}simple/", options=Options(mode=Mode.PROXY, kept=kept)
        ) as server,
    ):
        for spelling in (NAME, NAME, NAME.replace("t", "%74", 1)):
            assert requests.get(f"{server.url}upstream/tiny/{spelling}", timeout=30).content == wheel()
    assert len(asked) == 2
    [file] = kept.rglob("*.whl")
    assert file.stat().st_size == len(wheel())


def test_the_quota_holds_where_all_that_is_kept_is_in_use(tmp_path: Path) -> None:
    cache = UpstreamCache(tmp_path, 100_000)
    kept = 0
    for number in range(40):
        content = bytes([number]) * 9_000
        place = cache.place(hashlib.sha256(content).hexdigest(), "tiny-1.tar.gz")
        with cache.keeping(place, len(content)) as keeping:
            keeping.write(content)
            keeping.whole()
        kept += keeping.is_kept
    assert kept == 11
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) <= 100_000
    for file in tmp_path.rglob("*.tar.gz"):
        os.utime(file, ns=((time.time_ns() - 3600 * 10**9),) * 2)
    cache._full -= 10
    with cache.keeping(place, len(content)) as keeping:
        keeping.write(content)
        keeping.whole()
    assert keeping.is_kept  # others went for it
    with cache.keeping(place, 200_000) as keeping:
        assert keeping.beside is None
    assert place.exists()  # nothing went for what cannot be kept


def test_a_file_host_that_states_another_length_than_the_page_is_refused_before_anything_is_reserved(
    tmp_path: Path,
) -> None:
    def answer(path: str) -> Said:
        if path.endswith("tiny/"):
            return told(page(listed(f"/files/{NAME}", size=len(wheel()))))
        return Said(headers={"Content-Length": str(1 << 30)}, pieces=[wheel()])

    with answering(answer) as upstream, pytest.raises(UpstreamSilent, match="is not as long as its page says"):
        proxy(upstream, tmp_path).file(TINY, NAME)
    assert not list((tmp_path / "kept").rglob("*.whl*"))


def test_metadata_for_which_there_is_no_room_is_given_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("no folder")
    stated = {"core-metadata": {"sha256": hashlib.sha256(b"Name: tiny\n").hexdigest()}}
    answers = {
        "/tiny/": told(page(listed(f"/files/{NAME}", **stated))),
        f"/files/{NAME}.metadata": Said(pieces=[b"Name: tiny\n"]),
    }
    with answering(answers.__getitem__) as upstream:
        store = Store.open(tmp_path / "packages")
        here = Passthrough(store, Fallback(url=upstream, mode=Mode.PROXY), proxy(upstream, tmp_path))
        given = here.answer(f"/upstream/tiny/{NAME}.metadata", "", {})
    assert isinstance(given, Answer)
    assert given.body == b"Name: tiny\n"


def test_a_file_that_can_be_opened_no_more_is_passed_on_and_leaves_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_upstream, "_opened", lambda path: None)
    monkeypatch.setattr(from_upstream, "_PLACE_SECONDS", 0.2)

    def answer(path: str) -> Said:
        content = listed(f"/files/{NAME}", size=len(wheel()))
        return told(page(content)) if path.endswith("tiny/") else Said(pieces=[wheel()])

    with (
        answering(answer) as upstream,
        Server(tmp_path / "packages", fallback=f"{upstream}simple/", options=Options(mode=Mode.PROXY)) as server,
    ):
        for _ in range(FILES_OF_ONE + 2):
            assert requests.get(f"{server.url}upstream/tiny/{NAME}", timeout=30).content == wheel()
            for kept in (tmp_path / "upstream" / "files").rglob("*.whl"):
                kept.unlink()


def test_pages_for_people_keep_nobody_from_upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def slowly(*_: object) -> Answer:
        over.wait(30)
        return Answer(status=200)

    monkeypatch.setattr(WebPages, "answer", slowly)
    with (
        speaking(JSON, page(listed(NAME)).decode()) as upstream,
        Server(tmp_path / "packages", fallback=upstream, options=Options(mode=Mode.PROXY)) as server,
        ThreadPoolExecutor(8) as people,
    ):
        waiting = [people.submit(requests.get, f"{server.url}project/p{n}/", timeout=40) for n in range(8)]
        time.sleep(0.5)
        assert requests.get(f"{server.url}simple/tiny/", timeout=10).ok
        over.set()
        assert all(one.result(30).ok for one in waiting)


def test_files_that_come_at_the_same_time_share_the_quota(tmp_path: Path) -> None:
    cache = UpstreamCache(tmp_path, 100_000)
    with cache.keeping(tmp_path / "one", 60_000) as one:
        with cache.keeping(tmp_path / "two", 60_000) as two:
            assert (one.beside is None, two.beside is None) == (False, True)
        with cache.keeping(tmp_path / "three", 40_000) as three:
            assert three.beside is not None
    with cache.keeping(tmp_path / "four", 60_000) as four:
        assert four.beside is not None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stated", [False, True])
def test_a_file_is_not_asked_on_for_when_its_reader_goes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], stated: bool
) -> None:
    pieces = 0

    def dripping() -> Iterator[bytes]:
        nonlocal pieces
        for _ in range(600):
            pieces += 1
            yield b"x" * 100
            time.sleep(0.05)

    def answer(path: str) -> Said:
        if path.endswith("tiny/"):
            more = {"size": 60_000} if stated else {}
            return Said(headers={"Content-Type": JSON}, pieces=[page(listed(f"/files/{NAME}", **more))])
        return Said(pieces=dripping())

    with (
        answering(answer) as upstream,
        Server(tmp_path / "packages", fallback=f"{upstream}simple/", options=Options(mode=Mode.PROXY)) as server,
    ):
        with requests.get(f"{server.url}upstream/tiny/{NAME}", stream=True, timeout=30) as answered:
            assert answered.status_code == 200
        time.sleep(2)
        before = pieces
        time.sleep(1)
        assert pieces == before < 600
    assert "does not give" not in capfd.readouterr().err  # it was nobody's fault


def test_a_page_is_rendered_once_for_all_who_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[object] = []
    render = pages.project_html

    def counted(record: ProjectRecord, places: Places) -> bytes:
        rendered.append(record)
        return render(record, places)

    monkeypatch.setattr(pages, "project_html", counted)
    with speaking(JSON, page(listed(NAME)).decode()) as upstream:
        store = Store.open(tmp_path / "packages")
        here = Passthrough(store, Fallback(url=upstream, mode=Mode.PROXY), proxy(upstream, tmp_path))
        first = here.answer("/simple/tiny/", "", {})
        assert isinstance(first, Answer)
        etag = dict(first.headers)["ETag"]
        again = here.answer("/simple/tiny/", "", {"if-none-match": etag})
    assert isinstance(again, Answer)
    assert (first.status, again.status, len(rendered)) == (200, 304, 1)


@pytest.mark.parametrize(
    "to", ["http://[::1/x", f"http://{'a' * 70}.example/x", "http://127.0.0.1:99999999/x", "http://\xff\xfe/x"]
)
def test_a_redirect_to_what_is_no_address_is_upstreams_fault(tmp_path: Path, to: str) -> None:
    with (
        answering(lambda path: Said(status=302, headers={"Location": to})) as upstream,
        Server(tmp_path / "packages", fallback=f"{upstream}simple/", options=Options(mode=Mode.PROXY)) as server,
    ):
        assert requests.get(f"{server.url}simple/tiny/", timeout=20).status_code == 502


def test_the_login_of_upstream_and_its_words_do_not_reach_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with answering(lambda path: Said(status=500)) as upstream:
        address = upstream.replace("http://", "http://ann:pass-of-ann@") + "simple/"
        with Server(tmp_path / "packages", fallback=address, options=Options(mode=Mode.PROXY)) as server:
            assert requests.get(f"{server.url}simple/tiny/", timeout=20).status_code == 502
    said = capfd.readouterr().err
    assert "upstream does not give" in said
    assert "pass-of-ann" not in said


def test_a_login_is_told_to_its_own_host_and_a_netrc_file_serves_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_to: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told_to.append((self.path, self.headers.get("Authorization", "")))
            to = self.path.split("/")
            self.send_response(302 if to[1] == "to" else 200)
            if to[1] == "to":
                self.send_header("Location", f"http://127.0.0.1:{to[2]}/{to[3]}")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    basic = {user: "Basic " + base64.b64encode(f"{user}:p@ss".encode()).decode() for user in ("ann", "bob")}
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(2):
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
            stack.callback(server.shutdown)
            ports.append(server.server_port)
        url = f"http://ann:p%40ss@127.0.0.1:{ports[0]}/"
        with web.session(["127.0.0.1"], web.Login.of(url)) as client:
            client.get(f"http://127.0.0.1:{ports[0]}/own")
            client.get(f"http://127.0.0.1:{ports[1]}/other")
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login bob password p@ss\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        with web.session(["127.0.0.1"], web.Login.of(url)) as client:
            client.get(f"http://127.0.0.1:{ports[1]}/netrc")
        with web.session(["127.0.0.1"], web.Login.of(url)) as client:
            client.get(f"http://127.0.0.1:{ports[0]}/to/{ports[0]}/again")
            client.get(f"http://127.0.0.1:{ports[0]}/to/{ports[1]}/there")
        with web.session(["127.0.0.1"], web.Login.of("http://127.0.0.1/")) as client:
            client.get(f"http://127.0.0.1:{ports[0]}/alone")
    assert told_to == [
        ("/own", basic["ann"]), ("/other", ""), ("/netrc", basic["bob"]),
        (f"/to/{ports[0]}/again", basic["ann"]), ("/again", basic["ann"]),
        (f"/to/{ports[1]}/there", basic["ann"]), ("/there", basic["bob"]),
        ("/alone", basic["bob"]),
    ]  # fmt: skip


def test_a_login_is_for_a_host_in_all_its_spellings() -> None:
    login = web.Login.of("http://ann:secret@b\u00fccher.example/")
    assert login is not None
    assert login.is_for("http://xn--bcher-kva.example/simple/")
    assert not login.is_for("https://xn--bcher-kva.example/")


def test_a_page_gives_files_of_its_own_project_and_one_that_has_a_bad_address_costs_no_other(tmp_path: Path) -> None:
    files = [
        listed("/files/1"),
        listed("/files/2", filename="astronomer_certified-99.0-py3-none-any.whl"),
        listed("/files/3", filename="tiny-2.0.tar.gz"),
        listed("/files/4", filename="astronomer-certified-99.0.tar.gz"),
        listed("http://[::1/x", filename="tiny-3.0.tar.gz"),
        listed("/files/6", filename=f"tiny-4.0-{'a' * 230}-none-any.whl"),
        listed("/files/7", filename="tiny-5.0.tar.gz", **{"requires-python": ">=3," * 300 + ">=3"}),
    ]
    with answering(lambda path: told(page(*files))) as upstream:
        found = proxy(upstream, tmp_path).page(TINY)
    assert found is not None
    assert [file.filename for file in found.record.files] == [NAME, "tiny-2.0.tar.gz"]
    assert (tmp_path / "kept" / "pages" / "tiny.json").stat().st_mode & 0o777 == 0o600


def test_of_a_project_that_upstream_has_in_quarantine_no_file_is_given(tmp_path: Path) -> None:
    status = {"project-status": {"status": "quarantined"}}
    with answering(lambda path: told(page(listed("/files/1"), **status))) as upstream:
        assert proxy(upstream, tmp_path).file(TINY, NAME) is None


def test_an_index_whose_upstream_it_is_itself_says_so_and_asks_no_further(tmp_path: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    fallback = f"http://127.0.0.1:{listening.getsockname()[1]}/simple/"
    options = Options(mode=Mode.PROXY)
    begun = time.monotonic()
    with Server(tmp_path / "packages", fallback=fallback, options=options, listening=listening) as server:
        answer = requests.get(f"{server.url}simple/tiny/", timeout=20)
    assert answer.status_code == 502
    assert time.monotonic() - begun < 15


def test_who_reads_a_file_of_unstated_size_too_slowly_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_upstream, "_SLOW_SECONDS", 0.1)
    freed: list[bool] = []

    async def read(pause: float) -> int:
        passing = Passing(
            size=None, pieces=(bytes(100) for _ in range(10)), answer=contextlib.ExitStack(), kept=None,
            is_lost=lambda: False, hang_up=lambda: None,
        )  # fmt: skip
        with ThreadPoolExecutor(1) as pool:
            source = from_upstream._Direct(passing, pool, lambda: freed.append(True))
            taken = 0
            async with contextlib.aclosing(source.pieces(lambda: False)) as pieces:
                async for piece in pieces:
                    taken += len(piece)
                    await asyncio.sleep(pause)
        return taken

    assert asyncio.run(read(0)) == 1000
    with pytest.raises(UpstreamSilent, match="was not taken in time"):
        asyncio.run(read(0.08))
    assert freed == [True, True]
