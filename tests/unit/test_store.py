"""The folder of published files: whole, for ever, one winner."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from astronomer_certified.index.distributions import Refused
from astronomer_certified.index.store import NameTaken, Store

NAME = "tiny-1.0-py3-none-any.whl"

METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"

ADD_AND_HANG = """
import sys
from pathlib import Path
from astronomer_certified.index.store import Store

class Stuck:
    def read(self, size):
        if not self.__dict__.setdefault("asked", False):
            self.asked = True
            return b"the first half"
        print("writing", flush=True)
        sys.stdin.read()

Store(Path(sys.argv[1])).add(sys.argv[2], Stuck())
"""


def wheel(members: dict[str, str] | None = None, *, content: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in (members or whole(content=content)).items():
            archive.writestr(name, text)
    return buffer.getvalue()


def whole(*, content: str = "", metadata: str = METADATA, folder: str = "tiny-1.0.dist-info") -> dict[str, str]:
    return {
        "tiny.py": content,
        f"{folder}/METADATA": metadata,
        f"{folder}/WHEEL": "Wheel-Version: 1.0\n",
        f"{folder}/RECORD": "",
    }


def sdist(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def doubled() -> bytes:
    buffer = io.BytesIO(wheel())
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("tiny.py", "what really runs")
    return buffer.getvalue()


def one_bit_flipped() -> bytes:
    content = bytearray(wheel(content="a = 1"))
    content[content.index(b"a = 1")] ^= 1
    return bytes(content)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def listed(store: Store) -> list[str]:
    return [file.filename for files in store.projects().values() for file in files]


def incoming(store: Store) -> list[str]:
    return [path.name for path in (store.root / ".incoming").iterdir()]


def test_an_added_wheel_is_there_as_it_came_and_readable_by_a_web_server(store: Store) -> None:
    content = wheel()

    assert store.add(NAME, io.BytesIO(content)) is True

    assert (store.root / NAME).read_bytes() == content
    assert (store.root / NAME).stat().st_mode & 0o777 == 0o644
    assert (store.root / NAME).stat().st_nlink == 1
    assert store.sha256(NAME) == hashlib.sha256(content).hexdigest()
    assert listed(store) == [NAME]
    assert incoming(store) == []


def test_an_added_sdist_is_there(store: Store) -> None:
    content = sdist({"tiny-1.0/PKG-INFO": METADATA, "tiny-1.0/tiny.py": ""})

    assert store.add("tiny-1.0.tar.gz", io.BytesIO(content)) is True
    assert listed(store) == ["tiny-1.0.tar.gz"]


def test_the_same_bytes_again_change_nothing(store: Store) -> None:
    store.add(NAME, io.BytesIO(wheel()))
    before = (store.root / NAME).stat()

    assert store.add(NAME, io.BytesIO(wheel())) is False
    assert (store.root / NAME).stat() == before


def test_other_bytes_are_refused_with_both_hashes(store: Store) -> None:
    store.add(NAME, io.BytesIO(wheel(content="a = 1")))

    with pytest.raises(NameTaken) as caught:
        store.add(NAME, io.BytesIO(wheel(content="a = 2")))

    assert [hashlib.sha256(wheel(content=c)).hexdigest() in str(caught.value) for c in ("a = 1", "a = 2")]
    assert (store.root / NAME).read_bytes() == wheel(content="a = 1")


@pytest.mark.parametrize("name", ["Tiny-1.0-py3-none-any.whl", "tiny-1.0.0-py3-none-any.whl"])
def test_another_spelling_of_a_published_file_is_refused(store: Store, name: str) -> None:
    store.add(NAME, io.BytesIO(wheel()))

    with pytest.raises(NameTaken, match="is published already as tiny-1"):
        store.add(name, io.BytesIO(wheel()))
    assert listed(store) == [NAME]


def test_the_post_release_and_the_other_tags_of_a_version_are_other_files(store: Store) -> None:
    for name, version in [(NAME, "1.0"), ("tiny-1.0.post1-py3-none-any.whl", "1.0.post1")]:
        folder = f"tiny-{version}.dist-info"
        content = wheel(whole(metadata=METADATA.replace("1.0", version), folder=folder))
        store.add(name, io.BytesIO(content))
    store.add("tiny-1.0-1-py3-none-any.whl", io.BytesIO(wheel()))
    store.add("tiny-1.0-py2.py3-none-any.whl", io.BytesIO(wheel()))

    assert len(listed(store)) == 4


@pytest.mark.parametrize(
    ("filename", "make", "why"),
    [
        pytest.param(NAME, lambda: b"", "not a sound archive", id="empty"),
        pytest.param(NAME, lambda: b"PK\3\4 no zip", "not a sound archive", id="not a zip"),
        pytest.param(NAME, lambda: wheel()[:-40], "not a sound archive", id="torn zip"),
        pytest.param(NAME, one_bit_flipped, "CRC", id="bad CRC"),
        pytest.param(NAME, doubled, "more than once", id="a member twice"),
        pytest.param(NAME, lambda: wheel({"tiny.py": ""}), "exactly one .dist-info", id="no dist-info"),
        pytest.param(
            NAME,
            lambda: wheel(whole() | whole(folder="other-1.0.dist-info")),
            "exactly one .dist-info",
            id="two dist-infos",
        ),
        pytest.param(
            NAME,
            lambda: wheel({"tiny-1.0.dist-info/METADATA": METADATA}),
            r"no tiny-1\.0\.dist-info/RECORD",
            id="no RECORD",
        ),
        pytest.param(
            NAME,
            lambda: wheel(whole(metadata=METADATA.replace("tiny", "other"))),
            "metadata of another distribution",
            id="foreign name",
        ),
        pytest.param(
            NAME,
            lambda: wheel(whole(metadata=METADATA.replace("1.0", "1.1"))),
            "metadata of another distribution",
            id="foreign version",
        ),
        pytest.param(NAME, lambda: wheel(whole(metadata="")), "metadata of another", id="no metadata"),
        pytest.param("tiny-1.0.tar.gz", lambda: b"no gzip", "not a sound archive", id="not a gzip"),
        pytest.param("tiny-1.0.tar.gz", lambda: gzip.compress(b"no tar"), "not a sound", id="not a tar"),
        pytest.param(
            "tiny-1.0.tar.gz",
            lambda: sdist({"tiny-1.0/PKG-INFO": METADATA, "tiny-1.0/a": "a" * 20_000})[:-4],
            "not a sound archive",
            id="torn sdist",
        ),
        pytest.param("tiny-1.0.tar.gz", lambda: sdist({"tiny-1.0/a": ""}), "PKG-INFO", id="no PKG-INFO"),
        pytest.param(
            "tiny-1.0.tar.gz",
            lambda: sdist({"tiny-1.0/PKG-INFO": METADATA, "more/a": ""}),
            "one folder",
            id="two folders",
        ),
        pytest.param(
            "tiny-1.0.tar.gz",
            lambda: sdist({"tiny-1.0/PKG-INFO": METADATA.replace("tiny", "other")}),
            "metadata of another",
            id="foreign sdist",
        ),
        pytest.param("tiny.txt", lambda: b"", "neither a wheel", id="no distribution"),
        pytest.param("tiny-1.0-py3-none-any.whl.asc", lambda: b"", "neither a wheel", id="signature"),
        pytest.param("tiny-one-py3-none-any.whl", lambda: b"", "no distribution's name", id="no version"),
        pytest.param(f".{NAME}", wheel, "no distribution's name", id="hidden"),
        pytest.param(f"{'x' * 300}-1.0-py3-none-any.whl", wheel, "no distribution's name", id="long"),
        pytest.param(f"../{NAME}", wheel, "no distribution's name", id="elsewhere"),
    ],
)
def test_what_is_not_a_sound_distribution_is_refused_and_leaves_nothing(
    store: Store, filename: str, make: Callable[[], bytes], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        store.add(filename, io.BytesIO(make()))

    assert listed(store) == []
    assert [path.name for path in store.root.iterdir()] == [".incoming"]
    assert incoming(store) == []


def test_bytes_other_than_announced_are_refused(store: Store) -> None:
    with pytest.raises(Refused, match="damaged on its way"):
        store.add(NAME, io.BytesIO(wheel()), sha256="0" * 64)
    assert listed(store) == []


def test_a_client_that_goes_away_leaves_nothing(store: Store) -> None:
    class Gone(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        store.add(NAME, Gone())
    assert (listed(store), incoming(store)) == ([], [])


def test_only_the_partial_files_of_dead_writers_are_swept(store: Store) -> None:
    argv = [sys.executable, "-c", ADD_AND_HANG, str(store.root), NAME]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        torn = incoming(store)
        assert Store.open(store.root).sweep() == ()
        assert incoming(store) == torn
        writer.kill()

    assert len(torn) == 1
    assert listed(store) == []
    assert store.sweep() == tuple(torn)
    assert incoming(store) == []
    assert store.add(NAME, io.BytesIO(wheel())) is True


def test_a_writer_killed_between_naming_and_cleaning_leaves_a_whole_file(store: Store) -> None:
    store.add(NAME, io.BytesIO(wheel()))
    os.link(store.root / NAME, store.root / ".incoming" / "second-name.part")

    store.sweep()

    assert (store.root / NAME).read_bytes() == wheel()
    assert incoming(store) == []


def test_files_that_come_and_go_by_other_hands_are_seen(store: Store) -> None:
    assert listed(store) == []
    for path, text in [(NAME, "1"), ("readme.txt", ""), (".hidden-1.0-py3-none-any.whl", "")]:
        (store.root / path).write_text(text)
    assert listed(store) == [NAME]
    first = store.sha256(NAME)
    os.utime(store.root, (1, 1))  # long settled, so the listing is remembered now
    assert listed(store) == [NAME]
    assert store.projects() is store.projects()

    (store.root / NAME).write_text("11")
    assert store.sha256(NAME) != first
    (store.root / NAME).unlink()
    assert listed(store) == []


def test_a_change_within_one_tick_of_the_clock_is_seen(store: Store) -> None:
    now = time.time_ns()
    os.utime(store.root, ns=(now, now))
    assert listed(store) == []

    (store.root / NAME).write_text("")
    os.utime(store.root, ns=(now, now))
    assert listed(store) == [NAME]
