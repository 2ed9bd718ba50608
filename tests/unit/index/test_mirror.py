"""Another index's files, here: what does not come stops nothing else."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from other_indexes import JSON, PAGE, proxy, speaking
from packaging.utils import NormalizedName
from tiny_wheels import NAME, wheel, whole

from astronomer_certified.errors import PublishError
from astronomer_certified.index.api.fallback import Fallback, Mode
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
