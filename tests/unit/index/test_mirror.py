"""Another index's files, here: what does not come stops nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from other_indexes import JSON, PAGE, Said, answering, proxy, speaking
from packaging.utils import NormalizedName
from tiny_wheels import NAME, wheel, whole

from astronomer_certified.effects import web
from astronomer_certified.errors import PublishError
from astronomer_certified.index.api.fallback import Fallback, Mode
from astronomer_certified.index.api.listings import Listings
from astronomer_certified.index.api.passthrough import Passthrough
from astronomer_certified.index.api.proxy import UpstreamSilent
from astronomer_certified.index.api.site import Answer
from astronomer_certified.index.copies import mirror
from astronomer_certified.index.http.server import Server
from astronomer_certified.index.store.store import Store, Upload

TINY = NormalizedName("tiny")
NEXT = NAME.replace("1.0", "1.1")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[tuple[Store, Server]]:
    """Another index, with two releases of tiny; the older one's file is damaged."""
    store = Store.open(tmp_path / "there")
    metadata = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.1\n"
    store.add(Upload(filename=NAME), io.BytesIO(wheel()))
    store.add(Upload(filename=NEXT), io.BytesIO(wheel(whole(folder="tiny-1.1.dist-info", metadata=metadata))))
    store.file(NAME).write_bytes(bytes(len(wheel())))
    with Server(store.root, fallback=False) as server:
        yield store, server


def test_everything_that_can_come_comes_and_the_rest_is_named(there: tuple[Store, Server], tmp_path: Path) -> None:
    here = Store.open(tmp_path / "here")
    source, server = there
    copied: list[str] = []

    def run() -> str:
        with pytest.raises(PublishError) as caught:
            copied.extend(
                copy.filename
                for copy in mirror.mirror(here, mirror.Source(url=server.simple_url), [NormalizedName("nothing"), TINY])
                if isinstance(copy, mirror.Copied) and copy.new
            )
        return str(caught.value)

    said = run()
    assert copied == [NEXT]
    assert "nothing: is not there" in said
    assert f"{NAME}: 410" in said
    record = here.project(TINY)
    assert record is not None
    assert [file.filename for file in record.files] == [NEXT]

    for reason in ("no good", None, None):
        source.change(TINY, lambda record, reason=reason: record.holding(replace(record.files[1], yanked=reason)))
        run()
        record = here.project(TINY)
        assert record is not None
        assert record.files[0].yanked == reason
    lines = (here.records / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["deed"] for line in lines] == ["mirrored", "yanked", "yank undone"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [("text/plain", "tiny"), (JSON, json.dumps(PAGE | {"meta": {"api-version": "2.0"}})), (JSON, "{")],
    ids=["plain text", "another version", "half a page"],
)
def test_an_index_that_speaks_otherwise_is_named(tmp_path: Path, kind: str, body: str) -> None:
    here = Store.open(tmp_path / "here")
    with speaking(kind, body) as url:
        with pytest.raises(PublishError, match=r"1 of what was asked of .* did not come"):
            list(mirror.mirror(here, mirror.Source(url=url), [TINY]))
        with pytest.raises(UpstreamSilent):
            Passthrough(here, Fallback(mode=Mode.PROXY, url=url), proxy(url, tmp_path)).answer("/simple/tiny/", "", {})


def test_a_page_puts_nothing_under_a_name_that_is_not_its_own(tmp_path: Path) -> None:
    here = Store.open(tmp_path / "here")
    planted = "astronomer_certified-99.0-py3-none-any.whl"
    files = [
        {"filename": planted, "url": f"../../packages/{planted}", "hashes": {"sha256": "0" * 64}},
    ]
    came: list[object] = []
    with (
        speaking(JSON, json.dumps(PAGE | {"files": files, "versions": ["1.0"]})) as url,
        pytest.raises(PublishError, match=rf"{planted}: is listed on the page of tiny, but is of astronomer-certified"),
    ):
        came.extend(mirror.mirror(here, mirror.Source(url=url), [TINY]))
    assert came == []
    assert here.project(NormalizedName("astronomer-certified")) is None


def test_a_file_that_this_index_does_not_take_is_told(tmp_path: Path) -> None:
    here = Store.open(tmp_path / "here")
    file = {"filename": "tiny-1.0.zip", "url": "../../packages/tiny-1.0.zip", "hashes": {"sha256": "0" * 64}}
    with speaking(JSON, json.dumps(PAGE | {"files": [file], "versions": ["1.0"]})) as url:
        (came,) = mirror.mirror(here, mirror.Source(url=url), [TINY])
    assert came == mirror.PassedOver(
        filename="tiny-1.0.zip", why="tiny-1.0.zip is neither a wheel (.whl) nor an sdist (.tar.gz)"
    )


def test_a_page_that_is_passed_on_says_what_upstream_says_in_the_form_that_is_asked_for(tmp_path: Path) -> None:
    here = Store.open(tmp_path / "here")
    with speaking(JSON, json.dumps(PAGE)) as url:
        upstream = Passthrough(here, Fallback(mode=Mode.PROXY, url=url), proxy(url, tmp_path))
        answers = [
            upstream.answer("/simple/tiny/", query, {"accept": accept})
            for query, accept in (("", "*/*"), (f"format={JSON}", "*/*"), ("", "image/png"))
        ]
    html, as_json, none = answers
    assert isinstance(html, Answer)
    assert isinstance(as_json, Answer)
    assert isinstance(none, Answer)
    assert b'name="pypi:project-status" content="archived"' in html.body
    assert json.loads(as_json.body)["project-status"] == {"status": "archived", "reason": "take large"}
    assert none.status == 406


@pytest.mark.parametrize(
    ("filename", "sha256"),
    [
        (NAME, "../../../../planted"),
        (NAME, f"{'0' * 63}/"),
        (NAME, f'{"0" * 64}"><script>'),
        (NAME, f"{'0' * 64}\n"),
        ("..", "0" * 64),
        (".hidden", "0" * 64),
        ("a\nb-1.0.whl", "0" * 64),
        (f"tiny-{'1' * 300}-py3-none-any.whl", "0" * 64),
    ],
)
def test_what_upstream_calls_a_hash_or_a_name_is_one_or_is_left_out(tmp_path: Path, filename: str, sha256: str) -> None:
    good = {"filename": NEXT, "url": f"../../packages/{NEXT}", "hashes": {"sha256": "1" * 64}}
    metadata = {"core-metadata": {"sha256": "../../planted"}}
    bad = {"filename": filename, "url": "../../packages/x", "hashes": {"sha256": sha256}}
    with speaking(JSON, json.dumps(PAGE | {"files": [bad, good | metadata], "versions": ["1.0", "1.1"]})) as url:
        found = proxy(url, tmp_path).page(TINY)
    assert found is not None
    assert [(file.filename, file.metadata_sha256) for file in found.record.files] == [(NEXT, None)]


def test_nothing_comes_under_a_name_that_is_ours_unless_the_other_index_is(
    there: tuple[Store, Server], tmp_path: Path
) -> None:
    _, server = there
    here = Store.open(tmp_path / "here")
    ours = tmp_path / "own"

    with pytest.raises(PublishError, match="tiny: is ours and comes from nowhere else"):
        list(mirror.mirror(here, mirror.Source(url=server.simple_url, protected=("tin*",)), [TINY]))
    assert here.project(TINY) is None

    with pytest.raises(PublishError, match="410"):  # the damaged one
        list(mirror.mirror(here, mirror.Source(url=server.simple_url), [TINY]))
    with pytest.raises(PublishError, match="410"):  # what came from there may come from there again
        list(mirror.mirror(here, mirror.Source(url=server.simple_url), [TINY]))

    own = Store.open(ours)
    own.add(Upload(filename=NAME), io.BytesIO(wheel()))
    with pytest.raises(PublishError, match="tiny: is ours"):
        list(mirror.mirror(own, mirror.Source(url=server.simple_url), [TINY]))
    trusted = mirror.Source(url=server.simple_url, protected=None)
    assert list(mirror.mirror(own, trusted, [TINY])) == [
        mirror.Copied(filename=NAME, new=False), mirror.Copied(filename=NEXT, new=True)
    ]  # fmt: skip


def listing(filename: str = NAME, **more: object) -> bytes:
    file = {"filename": filename, "url": f"../../packages/{filename}", "hashes": {"sha256": "0" * 64}} | more
    return json.dumps(PAGE | {"files": [file], "versions": ["1.0"]}).encode()


HTML = "text/html; charset=bogus"

# A page, its type, and what is told of it.
HOSTILE: dict[str, tuple[bytes, str, str]] = {
    "a list": (b"[1,2]", JSON, "its page cannot be read"),
    "nothing": (b"", JSON, "its page cannot be read"),
    "as deep as it is long": (b"[" * 200_000, JSON, "its page cannot be read"),
    "a number of very many digits": (b'{"meta":' + b"1" * 6000 + b"}", JSON, "its page cannot be read"),
    "a file that is a number": (json.dumps(PAGE | {"files": [5]}).encode(), JSON, "its page cannot be read"),
    "half of a character": (listing(yanked="\ud800"), JSON, "its page cannot be read"),
    "half of a character in an address": (listing(url="http://\ud800/"), JSON, "its page cannot be read"),
    "an address that is none": (listing(url="http://[::1"), JSON, "its address is none"),
    "an address of this machine": (listing(url="file:///etc/passwd"), JSON, f"{NAME}: No connection adapters"),
    "a port that is none": (listing(url="http://a:99999999/x"), JSON, f"{NAME}: "),
    "a host that is none": (listing(url="http://.a./x"), JSON, f"{NAME}: "),
    "a hash that is none": (listing(hashes={"sha256": "../../x"}), JSON, f"{NAME}: "),
    "another kind": (b"%PDF", "application/pdf", "it is 'application/pdf'"),
    "a later version": (b"<meta name='pypi:repository-version' content='9.0'>", HTML, "its page cannot be read"),
    "an escape sequence": (listing(hashes={"sha256": "\x1b[31m"}), JSON, f"{NAME}: "),
    "an escape sequence in an address": (listing(url="x\x1b[31m://a"), JSON, f"{NAME}: "),
}


@pytest.mark.parametrize(("page", "kind", "why"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_page_is_an_error_of_its_project_and_the_others_come(
    tmp_path: Path, page: bytes, kind: str, why: str
) -> None:
    here = Store.open(tmp_path / "here")
    content = wheel(whole(folder="last-1.0.dist-info", metadata="Metadata-Version: 2.1\nName: last\nVersion: 1.0\n"))
    good = "last-1.0-py3-none-any.whl"
    answers = {
        "/simple/tiny/": Said(headers={"Content-Type": kind}, pieces=[page]),
        "/simple/last/": Said(
            headers={"Content-Type": JSON},
            pieces=[listing(good, hashes={"sha256": hashlib.sha256(content).hexdigest()})],
        ),
        f"/packages/{good}": Said(pieces=[content]),
    }
    came: list[object] = []

    def run(url: str) -> None:
        for copied in mirror.mirror(here, mirror.Source(url=url), [TINY, NormalizedName("last")]):
            came.append(copied)

    with answering(lambda path: answers.get(path, Said(status=404))) as root, pytest.raises(PublishError) as caught:
        run(f"{root}simple/")
    assert "1 of what was asked of" in str(caught.value)
    assert why in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert came == [mirror.Copied(filename=good, new=True)]


def test_a_page_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    here = Store.open(tmp_path / "here")
    sent = 0

    def bomb() -> Iterable[bytes]:
        nonlocal sent
        packing = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        for _ in range(1 << 10):  # 1 GB
            sent += 1
            yield packing.compress(bytes(1 << 20)) + packing.flush(zlib.Z_SYNC_FLUSH)

    said = Said(headers={"Content-Type": HTML, "Content-Encoding": "gzip"}, pieces=bomb())
    with answering(lambda path: said) as root, pytest.raises(PublishError, match="sends more than the 33554432 bytes"):
        list(mirror.mirror(here, mirror.Source(url=f"{root}simple/"), [TINY]))
    assert sent < 1 << 10


def test_of_a_file_no_more_is_taken_than_its_page_says(tmp_path: Path) -> None:
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield bytes(1 << 20)

    def answer(path: str) -> Said:
        if path.endswith(".whl"):
            return Said(pieces=pieces())
        return Said(headers={"Content-Type": JSON}, pieces=[listing(size=100)])

    here = Store.open(tmp_path / "here")
    with answering(answer) as root, pytest.raises(PublishError, match="sends more than the 100 bytes"):
        list(mirror.mirror(here, mirror.Source(url=f"{root}simple/"), [TINY]))
    assert sent < 100


def test_a_page_that_takes_too_long_to_read_is_given_up() -> None:
    begun = time.monotonic()
    with contextlib.closing(Listings(patience=4)) as found:
        with pytest.raises(PublishError, match="takes more time or memory"):
            found.read(b"<a>" * (1 << 20), "text/html", "http://h/simple/tiny/")
        assert time.monotonic() - begun < 20
        assert [file.filename for file in found.read(listing(), JSON, "http://h/simple/tiny/").files] == [NAME]


def test_a_head_that_comes_byte_by_byte_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "HEAD", 0.5)

    def slowly() -> Iterator[bytes]:
        while True:
            yield b"x"
            time.sleep(0.05)

    # To a client that passes over a 100, as it must, what comes next is the head of the answer.
    with answering(lambda path: Said(status=100, pieces=slowly())) as root:
        begun = time.monotonic()
        with web.session((web.host_of(root),)) as client, pytest.raises(requests.ConnectionError):
            client.get(root, timeout=5)
        assert time.monotonic() - begun < 4


def test_a_project_whose_record_cannot_be_read_keeps_no_other_from_coming(
    there: tuple[Store, Server], tmp_path: Path
) -> None:
    here = Store.open(tmp_path / "here")
    first = NormalizedName("first")
    here.record_file(first).mkdir()
    came: list[object] = []

    def run() -> None:
        for copied in mirror.mirror(here, mirror.Source(url=there[1].simple_url), [first, TINY]):
            came.append(copied)

    with pytest.raises(PublishError, match=r"first: .*first\.json: a record of the index cannot be read"):
        run()
    assert came == [mirror.Copied(filename=NEXT, new=True)]
