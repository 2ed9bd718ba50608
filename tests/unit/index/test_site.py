"""What is read by installers, asked of `Site` itself: no server in between."""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from other_indexes import proxy
from packaging.utils import NormalizedName
from tiny_wheels import NAME, wheel

from astronomer_certified.index.api import negotiation, pages
from astronomer_certified.index.api.fallback import Fallback, Mode
from astronomer_certified.index.api.passthrough import Passthrough
from astronomer_certified.index.api.record_cache import KnownRecord, RecordCache
from astronomer_certified.index.api.site import Address, Answer, Site, TakesLong, stamp_of
from astronomer_certified.index.api.web_pages import WebPages
from astronomer_certified.index.http import app
from astronomer_certified.index.http.options import Options, Setup
from astronomer_certified.index.store import validation
from astronomer_certified.index.store.records import FileRecord, ProjectRecord
from astronomer_certified.index.store.store import Store, Upload
from astronomer_certified.index.store.validation import Refused


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(tmp_path / "store")
    store.add(Upload(filename=NAME), io.BytesIO(wheel()))
    return store


@pytest.fixture
def site(store: Store) -> Site:
    return Site(store, Fallback(), Address(public_url="http://index.example/team/"))


def get(site: Site, target: str, **headers: str) -> Answer:
    answer = site.answer(target, {name.replace("_", "-"): value for name, value in headers.items()})
    assert answer is not None
    return answer


def status_of(site: Site, target: str, **headers: str) -> int:
    return get(site, target, **headers).status


@pytest.mark.parametrize("name", ["_under", "foo+bar", "x" * 241, "-x", "x-", "%00", ""])
def test_what_can_be_no_name_of_a_project_has_no_page_and_no_file(
    store: Store, site: Site, tmp_path: Path, name: str
) -> None:
    assert status_of(site, f"/simple/{name}/") in ((404,) if name else (301, 404))
    assert WebPages(store, site.address).answer(f"/project/{name}/", "") is None
    upstream = Passthrough(
        store, Fallback(mode=Mode.PROXY, url="http://127.0.0.1:9/"), proxy("http://127.0.0.1:9/", tmp_path)
    )
    assert upstream.answer(f"/upstream/{name}/f.whl", "", {}) is None
    for filename in (f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.tar.gz"):
        with pytest.raises(Refused):
            validation.parse(filename)


def test_the_root_below_a_path_is_where_its_links_are_right(site: Site) -> None:
    moved = get(site, "/team")
    assert (moved.status, dict(moved.headers)["Location"]) == (301, "team/")
    assert dict(get(site, "/team/simple?format=x+y").headers)["Location"] == "simple/?format=x+y"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html;q=0, */*", pages.JSON),
        (f"text/html;q=0, {pages.JSON};q=0, */*", pages.HTML),
        ("text/html;q=0, text/*", None),
        ("*/*", pages.LEGACY),
        ("application/*", pages.JSON),
    ],
)
def test_a_form_that_is_refused_by_name_is_not_sent_for_a_wildcard(accept: str, expected: str | None) -> None:
    assert negotiation.content_type(accept) == expected


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        *((weight, pages.HTML) for weight in ("nan", "-nan", "-1", "-inf", "-1e999", "", "x", "0", "0.4")),
        *((weight, pages.JSON) for weight in ("inf", "1e999", "2", "1", "0.6")),
    ],
)
def test_a_weight_is_between_nothing_and_one_whatever_number_is_written(weight: str, expected: str) -> None:
    assert negotiation.content_type(f"{pages.JSON};q={weight}, {pages.HTML};q=0.5") == expected
    assert negotiation.encoding(f"zstd;q={weight}, gzip;q=0.5", ("zstd", "gzip")) == (
        "zstd" if expected == pages.JSON else "gzip"
    )


def test_conditions_on_a_file_are_looked_at(site: Site) -> None:
    place = f"/packages/{NAME}"
    whole = get(site, place)
    headers = dict(whole.headers)
    modified, etag = headers["Last-Modified"], headers["ETag"]

    assert status_of(site, place, if_modified_since=modified) == 304
    assert status_of(site, place, if_modified_since="Tue, 01 Jan 2019 00:00:00 GMT") == 200
    assert status_of(site, place, if_modified_since="yesterday") == 200
    assert status_of(site, place, if_modified_since=modified, if_none_match='"other"') == 200
    assert status_of(site, place, if_match=etag) == 200
    assert status_of(site, place, if_match=f'W/{etag}, "other"') == 412
    assert get(site, place, range="Bytes=0-1").span == (0, 2)


@pytest.mark.parametrize("place", [NAME, f"{NAME}.metadata"])
@pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-"}, {"range": "bytes=3-4"}], ids=str)
def test_a_small_file_that_was_changed_is_gone_however_it_is_asked_for(
    store: Store, site: Site, place: str, headers: dict[str, str]
) -> None:
    path = store.metadata(NAME) if place != NAME else store.file(NAME)
    whole = path.read_bytes()
    assert get(site, f"/packages/{place}", **headers).status in (200, 206)

    path.write_bytes(bytes(len(whole)))
    assert get(site, f"/packages/{place}", **headers).status == 410
    path.write_bytes(whole)
    assert get(site, f"/packages/{place}", **headers).status in (200, 206)


class Counting(Store):
    """A store that counts how often its records are read."""

    read = 0

    def project(self, name: NormalizedName) -> ProjectRecord | None:
        self.read += 1
        return super().project(name)


def many_files(store: Store, name: str, count: int) -> str:
    """The name of the last of so many files, which the project has now; of that one there are the bytes, too."""
    files = [
        FileRecord(
            filename=f"{name}-1.{n}-py3-none-any.whl", version=f"1.{n}", sha256=hashlib.sha256(b"x").hexdigest(),
            size=1, uploaded="2026-01-01T00:00:00.000000Z", uploader="somebody",
        )
        for n in range(count)
    ]  # fmt: skip
    record = ProjectRecord(name=NormalizedName(name), files=tuple(files))
    store.write(store.record_file(record.name), record.to_json())
    store.file(files[-1].filename).write_bytes(b"x")
    return files[-1].filename


def test_what_takes_long_to_read_is_prepared_once_and_answered_by_who_has_no_time(tmp_path: Path) -> None:
    store = Counting.open(tmp_path / "store")
    last = [many_files(store, name, 500) for name in ("one", "two")]
    site = Site(store, Fallback(), Address())
    for target in ("/simple/one/", f"/packages/{last[1]}"):
        with pytest.raises(TakesLong) as told:
            site.answer(target, {})
        assert store.read == (1 if target.startswith("/packages") else 0)
        told.value.prepare()
        assert status_of(site, target) == 200
    for _ in range(5):
        for filename in last:
            assert status_of(site, f"/packages/{filename}") == 200
    assert store.read == 2


def test_of_the_records_those_that_nobody_asks_for_are_forgotten(tmp_path: Path) -> None:
    store = Counting.open(tmp_path / "store")
    names = [NormalizedName(name) for name in ("one", "two", "three")]
    for name in names:
        many_files(store, name, 10)
    cache = RecordCache(store, limit=20)
    for name in (*names, names[2], names[1]):
        found = cache.read(name, stamp_of(store.record_file(name)))
        assert found is not None
        assert len(found.files) == 10
    assert store.read == 3
    assert cache.known(names[0], stamp_of(store.record_file(names[0]))) is None


def test_a_server_reads_large_records_beside_its_answers(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "packages")
    last = many_files(store, "large", 2000)
    application = app.build(Setup(store=tmp_path / "packages", options=Options()))
    loops: list[str] = []

    class Noting(RecordCache):
        def read(self, project: NormalizedName, stamp: int) -> KnownRecord | None:
            loops.append(threading.current_thread().name)
            return super().read(project, stamp)

    application._parts.site._records = Noting(store)

    async def ask(path: str) -> list[MutableMapping[str, Any]]:
        told: list[MutableMapping[str, Any]] = []

        async def send(message: MutableMapping[str, Any]) -> None:
            told.append(message)

        async def receive() -> MutableMapping[str, Any]:
            raise AssertionError("a GET has no body")

        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": [],
            "query_string": b"", "client": ("127.0.0.1", 1),
        }  # fmt: skip
        await application(scope, receive, send)
        return told

    for path in (f"/packages/{last}", "/simple/large/"):
        told = asyncio.run(ask(path))
        assert told[0]["status"] == 200
    assert loops
    assert not [name for name in loops if not name.startswith("index record")]
    application.close()
