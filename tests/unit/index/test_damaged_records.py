"""One record that cannot be read, in whatever way: its project alone is without an answer, and is named."""

from __future__ import annotations

import io
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.utils import NormalizedName
from tiny_wheels import METADATA, NAME, wheel, whole

from astronomer_certified.errors import PublishError
from astronomer_certified.index.api import notes
from astronomer_certified.index.copies import static_files
from astronomer_certified.index.http.server import Server
from astronomer_certified.index.store import integrity
from astronomer_certified.index.store.incoming import Upload
from astronomer_certified.index.store.store import Store

TINY, OTHER = NormalizedName("tiny"), NormalizedName("other")
OTHERS = "other-1.0-py3-none-any.whl"


def a_folder(record: Path) -> None:
    record.unlink()
    record.mkdir()


def a_pipe(record: Path) -> None:
    record.unlink()
    os.mkfifo(record)


def a_loop(record: Path) -> None:
    record.unlink()
    record.symlink_to(record.name)


def saying(**other: object) -> Callable[[Path], None]:
    """A record whose file says something else."""

    def damage(record: Path) -> None:
        values = json.loads(record.read_bytes())
        values["files"][0] |= other
        record.write_text(json.dumps(values))

    return damage


def holding(**other: object) -> Callable[[Path], None]:
    """A record that says something else as a whole."""
    return lambda record: record.write_text(json.dumps(json.loads(record.read_bytes()) | other)) and None


def bytes_of(content: bytes) -> Callable[[Path], None]:
    return lambda record: record.write_bytes(content) and None


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a folder": a_folder,
    "a pipe, which nobody writes to": a_pipe,
    "a link to itself": a_loop,
    "nothing": bytes_of(b""),
    "half of it": bytes_of(b'{"format":1,"na'),
    "JSON as deep as it is long": bytes_of(b"[" * 200_000),
    "a list": bytes_of(b"[1]"),
    "no UTF-8": bytes_of(b'{"format":1,"name":"\xff"}'),
    "half of a character, in bytes": bytes_of(
        b'{"format":1,"name":"tiny","status":"active","reason":"\xed\xa0\x80","files":[]}'
    ),
    "a number of very many digits": bytes_of(b'{"format":' + b"1" * 5000 + b"}"),
    "a file that is a word": holding(files=["tiny"]),
    "files that are none": holding(files=5),
    "another name": holding(name="other"),
    "a name that is a number": holding(name=5),
    "a status that is a list": holding(status=[]),
    "a reason that is a number": holding(reason=5),
    "a version that is a number": saying(version=1),
    "a version that is none": saying(version="banana"),
    "a size that is a word": saying(size="x"),
    "a size that is a truth": saying(size=True),
    "a size below nought": saying(size=-1),
    "a sha256 that is a number": saying(sha256=5),
    "a sha256 that is a path": saying(sha256="../../x"),
    "a name of a file that is a path": saying(filename="../tiny-1.0-py3-none-any.whl"),
    "a time that is a number": saying(uploaded=3),
    "a time that is none": saying(uploaded="2026-13-01T00:00:00.000000Z"),
    "half of a character in a reason": saying(yanked="\ud800"),
    "a field that is unknown": saying(more=1),
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a file of tiny and one of other."""
    made = Store.open(tmp_path / "packages")
    made.add(Upload(filename=NAME), io.BytesIO(wheel()))
    members = whole(folder="other-1.0.dist-info", metadata=METADATA.replace("tiny", "other"))
    made.add(Upload(filename=OTHERS), io.BytesIO(wheel(members)))
    return made


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as err:
        return err.code


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_the_store_is_looked_over_verified_and_exported_without_it(
    store: Store, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    static_files.write(store, tmp_path / "export", static_files.Serving())
    damage(store.record_file(TINY))

    with pytest.raises(PublishError, match=r"tiny\.json: .*\n(.*\n)*.*restore it from a backup"):
        store.project(TINY)
    findings = [*integrity.reconcile(store), *integrity.verify(store)]
    assert {finding.filename for finding in findings} == {"tiny.json", NAME}
    assert not any(finding.served for finding in findings)
    written = static_files.write(store, tmp_path / "export", static_files.Serving())
    assert [line.partition(":")[0] for line in written.withheld] == ["tiny"]
    tree = tmp_path / "export" / "current"
    assert (tree / "packages" / NAME).exists()
    assert OTHERS in (tree / "packages" / "index.html").read_text()
    with pytest.raises(PublishError, match=r"tiny\.json"):
        store.add(Upload(filename=NAME.replace("1.0", "1.1")), io.BytesIO(b""))


@pytest.mark.parametrize("name", ["a folder", "a pipe, which nobody writes to", "JSON as deep as it is long",
                                  "a version that is a number", "half of a character in a reason"])  # fmt: skip
def test_an_index_starts_and_answers_for_the_others(store: Store, name: str) -> None:
    DAMAGE[name](store.record_file(TINY))
    paths = ("", "simple/", "simple/other/", "packages/", f"packages/{OTHERS}", "project/other/", "pypi/other/json",
             "search?q=t", "metrics")  # fmt: skip
    own = ("simple/tiny/", f"packages/{NAME}", "project/tiny/", "pypi/tiny/json")
    with Server(store.root, fallback=False) as server:
        root = server.simple_url.removesuffix("simple/")
        here = {path: status(root + path) for path in paths}
        there = {path: status(root + path) for path in own}
    assert set(here.values()) == {200}, here
    assert set(there.values()) == {500}, there


def test_what_is_no_record_is_named_and_no_name(store: Store) -> None:
    folder = store.records / "projects"
    for name in ("Other One.json", "-.json", ".json", "a\nb.json", "\udcff.json"):
        (folder / name).write_text("{}")
    (folder / "notes.txt").write_text("")
    (folder / ".hidden").write_text("")

    findings = integrity.reconcile(store)

    assert len(findings) == 5
    assert all(finding.what == "lies among the records, and is the record of no project" for finding in findings)
    assert all(finding.filename.isascii() for finding in findings)
    assert store.names() == [OTHER, TINY]


@pytest.mark.parametrize("content", [b"../../x\n\xff\nTiny\n", b"tiny\nother\n/etc\n"])
def test_a_list_of_names_that_is_damaged_is_made_again(store: Store, content: bytes) -> None:
    store.names_file.write_bytes(content)
    assert set(store.names()) <= {TINY, OTHER}
    assert integrity.reconcile(store) == ()
    assert store.names() == [OTHER, TINY]


@pytest.mark.parametrize("content", [b"[" * 200_000, b"5", b"[5]", b'[{"version": 1}]', b"\xff", b"{}"])
def test_damaged_notes_are_none(store: Store, content: bytes) -> None:
    (store.records / "notes.json").write_bytes(content)
    assert notes.read(store) == {}
