"""Another index's files, here: what does not come stops nothing else."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import NormalizedName
from test_store import NAME, wheel, whole

from astronomer_certified.errors import PublishError
from astronomer_certified.index import mirror
from astronomer_certified.index.server import Server
from astronomer_certified.index.store import Store, Upload

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
                for copy in mirror.mirror(here, server.simple_url, [NormalizedName("nothing"), TINY])
                if copy.new
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


def test_an_index_that_speaks_otherwise_is_named(tmp_path: Path) -> None:
    here = Store.open(tmp_path / "here")
    with pytest.raises(PublishError, match="did not come"):
        list(mirror.mirror(here, "http://127.0.0.1:9/simple/", [TINY]))
