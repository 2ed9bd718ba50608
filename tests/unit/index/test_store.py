"""The folder of published files: whole, for ever, one winner."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import NormalizedName
from tiny_wheels import METADATA, NAME, RECORD, record, wheel, whole

from astronomer_certified.errors import PublishError
from astronomer_certified.index.store import integrity, validation
from astronomer_certified.index.store.audit import Audit
from astronomer_certified.index.store.incoming import Upload
from astronomer_certified.index.store.integrity import Finding
from astronomer_certified.index.store.records import FileRecord, ProjectRecord, Status, timestamp
from astronomer_certified.index.store.store import NameTaken, Store
from astronomer_certified.index.store.validation import Refused

ADD_AND_HANG = """
import sys
from pathlib import Path
from astronomer_certified.index.store.incoming import Upload
from astronomer_certified.index.store.store import Store

class Stuck:
    def read(self, size):
        if not self.__dict__.setdefault("asked", False):
            self.asked = True
            return b"the first half"
        print("writing", flush=True)
        sys.stdin.read()

Store(Path(sys.argv[1])).add(Upload(filename=sys.argv[2]), Stuck())
"""


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


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in whole().items():
            archive.writestr(name, text)
        with archive.open("tiny.bin", "w") as member:
            for _ in range(300):
                member.write(bytes(1 << 20))
    return buffer.getvalue()


def one_bit_flipped() -> bytes:
    content = bytearray(wheel(content="a = 1"))
    content[content.index(b"a = 1")] ^= 1
    return bytes(content)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def add(store: Store, filename: str, content: bytes, **more: Any) -> bool:
    return store.add(Upload(filename=filename, **more), io.BytesIO(content))


def listed(store: Store) -> list[str]:
    return [file.filename for project in store.projects() for file in project.served]


def incoming(store: Store) -> list[str]:
    return [path.name for path in (store.root / ".incoming").iterdir()]


def test_an_added_wheel_is_there_as_it_came_and_readable_by_a_web_server(store: Store) -> None:
    content = wheel()

    assert add(store, NAME, content) is True

    assert (store.root / NAME).read_bytes() == content
    assert (store.root / NAME).stat().st_mode & 0o777 == 0o644
    assert (store.root / NAME).stat().st_nlink == 1
    assert listed(store) == [NAME]
    assert incoming(store) == []


def test_an_added_sdist_is_there(store: Store) -> None:
    content = sdist({"tiny-1.0/PKG-INFO": METADATA, "tiny-1.0/setup.py": ""})

    assert add(store, "tiny-1.0.tar.gz", content) is True
    assert listed(store) == ["tiny-1.0.tar.gz"]


def test_the_same_bytes_again_change_nothing(store: Store) -> None:
    add(store, NAME, wheel())
    before = _written(store.root / NAME)

    assert add(store, NAME, wheel()) is False
    assert _written(store.root / NAME) == before


def _written(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written or replaced; not the time of access, which reading moves on."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


@pytest.mark.parametrize("status", list(Status))
def test_the_right_bytes_again_repair_what_was_damaged_since(store: Store, status: Status) -> None:
    add(store, NAME, wheel())
    store.change(NormalizedName("tiny"), lambda record: replace(record, status=status))
    (store.root / NAME).write_bytes(bytes(len(wheel())))

    assert add(store, NAME, wheel()) is True
    assert (store.root / NAME).read_bytes() == wheel()
    store.metadata(NAME).unlink()
    assert add(store, NAME, wheel()) is True
    assert store.metadata(NAME).read_text() == METADATA
    assert add(store, NAME, wheel()) is False


def test_other_bytes_are_refused_with_both_hashes(store: Store) -> None:
    add(store, NAME, wheel(content="a = 1"))

    with pytest.raises(NameTaken) as caught:
        add(store, NAME, wheel(content="a = 2"))

    assert [hashlib.sha256(wheel(content=c)).hexdigest() in str(caught.value) for c in ("a = 1", "a = 2")]
    assert (store.root / NAME).read_bytes() == wheel(content="a = 1")


@pytest.mark.parametrize("name", ["Tiny-1.0-py3-none-any.whl", "tiny-1.0.0-py3-none-any.whl"])
def test_another_spelling_of_a_published_file_is_refused(store: Store, name: str) -> None:
    add(store, NAME, wheel())

    with pytest.raises(NameTaken, match="is published already as tiny-1"):
        add(store, name, wheel())
    assert listed(store) == [NAME]


def test_the_post_release_and_the_other_tags_of_a_version_are_other_files(store: Store) -> None:
    for name, version in [(NAME, "1.0"), ("tiny-1.0.post1-py3-none-any.whl", "1.0.post1")]:
        folder = f"tiny-{version}.dist-info"
        content = wheel(whole(metadata=METADATA.replace("1.0", version), folder=folder))
        add(store, name, content)
    add(store, "tiny-1.0-1-py3-none-any.whl", wheel())
    add(store, "tiny-1.0-py2.py3-none-any.whl", wheel())

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
        pytest.param(
            NAME, lambda: wheel(whole() | {"more.py": ""}, but="more.py"), "does not list 'more.py'", id="unlisted"
        ),
        pytest.param(NAME, lambda: wheel(whole() | {RECORD: "tiny.py"}), "RECORD is none", id="no record"),
        pytest.param(
            NAME, lambda: wheel(whole() | {RECORD: record(whole(content="a"), RECORD)}), "another hash", id="forged"
        ),
        pytest.param(
            NAME,
            lambda: wheel(whole() | {RECORD: record(whole() | {"b": ""}, RECORD)}),
            "lists 'b'",
            id="listed, not there",
        ),
        pytest.param(NAME, lambda: wheel(whole() | {"../a": ""}), "outside", id="path trick"),
        pytest.param(NAME, lambda: wheel(whole() | {"a\\..\\b": ""}), "outside", id="backslash"),
        pytest.param(NAME, bomb, "unpacks to more", id="zip bomb"),
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
            lambda: sdist({"tiny-1.0/PKG-INFO": METADATA.replace("tiny", "other"), "tiny-1.0/setup.py": ""}),
            "metadata of another",
            id="foreign sdist",
        ),
        pytest.param("tiny.txt", lambda: b"", "neither a wheel", id="no distribution"),
        pytest.param("tiny-1.0-py3-none-any.whl.asc", lambda: b"", "neither a wheel", id="signature"),
        pytest.param("tiny-one-py3-none-any.whl", lambda: b"", "no distribution's name", id="no version"),
        pytest.param(f".{NAME}", wheel, "no distribution's name", id="hidden"),
        pytest.param(f"_{NAME}", wheel, "no distribution's name", id="no letter first"),
        pytest.param("foo+bar-1.0.tar.gz", lambda: b"", "no distribution's name", id="a plus in the name"),
        pytest.param(f"{'x' * 300}-1.0-py3-none-any.whl", wheel, "no distribution's name", id="long"),
        pytest.param(f"../{NAME}", wheel, "no distribution's name", id="elsewhere"),
    ],
)
def test_what_is_not_a_sound_distribution_is_refused_and_leaves_nothing(
    store: Store, filename: str, make: Callable[[], bytes], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        add(store, filename, make())

    assert listed(store) == []
    assert sorted(path.name for path in store.root.iterdir()) == [".incoming", ".records"]
    assert incoming(store) == []


@pytest.mark.parametrize(("name", "length"), [("sha256", 64), ("md5", 32), ("blake2_256", 64)])
def test_bytes_other_than_announced_are_refused(store: Store, name: str, length: int) -> None:
    with pytest.raises(Refused, match=f"damaged on its way\n  announced {name} '000"):
        add(store, NAME, wheel(), **{name: "0" * length})
    assert listed(store) == []


def test_bytes_as_announced_in_every_way_are_taken(store: Store) -> None:
    content = wheel()
    blake2 = hashlib.blake2b(content, digest_size=32).hexdigest().upper()
    announced = {"sha256": hashlib.sha256(content).hexdigest(), "md5": hashlib.md5(content).hexdigest()}
    assert add(store, NAME, content, **announced, blake2_256=blake2) is True


def test_a_client_that_goes_away_leaves_nothing(store: Store) -> None:
    class Gone(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        store.add(Upload(filename=NAME), Gone())
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
    assert add(store, NAME, wheel()) is True


def test_what_a_writer_killed_before_its_record_left_is_published_at_the_next_start(store: Store) -> None:
    (store.root / NAME).write_bytes(wheel())
    assert listed(store) == []

    assert integrity.reconcile(store) == (
        Finding(filename=NAME, what="had no record, is sound, and is published now", served=True),
    )
    assert listed(store) == [NAME]


def test_what_lies_there_without_a_record_was_never_published(store: Store) -> None:
    (store.root / NAME).write_bytes(b"torn")

    assert add(store, NAME, wheel()) is True
    assert (store.root / NAME).read_bytes() == wheel()


def test_a_name_is_taken_for_ever(store: Store) -> None:
    add(store, NAME, wheel(content="a = 1"))
    (store.root / NAME).unlink()
    integrity.reconcile(store)
    assert listed(store) == []

    with pytest.raises(NameTaken):
        add(store, NAME, wheel(content="a = 2"))
    assert add(store, NAME, wheel(content="a = 1")) is True
    assert listed(store) == [NAME]


def test_a_flipped_byte_is_found_and_its_file_withheld_until_it_is_whole_again(store: Store) -> None:
    other = wheel(whole(folder="tiny-1.1.dist-info", metadata=METADATA.replace("1.0", "1.1")))
    add(store, NAME, wheel())
    add(store, NAME.replace("1.0", "1.1"), other)
    content = bytearray(wheel())
    content[40] ^= 1
    (store.root / NAME).write_bytes(content)

    [finding] = integrity.verify(store)
    assert (finding.filename, finding.served) == (NAME, False)
    assert listed(store) == [NAME.replace("1.0", "1.1")]

    (store.root / NAME).write_bytes(wheel())
    [finding] = integrity.verify(store)
    assert (finding.filename, finding.served) == (NAME, True)
    assert integrity.verify(store) == ()


def test_damaged_metadata_is_made_anew_from_its_wheel(store: Store) -> None:
    add(store, NAME, wheel())
    store.metadata(NAME).write_text("not it")

    [finding] = integrity.verify(store)

    assert finding.served
    assert store.metadata(NAME).read_text() == METADATA


def test_a_record_that_says_other_things_than_its_file_is_corrected(store: Store) -> None:
    add(store, NAME, wheel(whole(metadata=METADATA + "Requires-Python: >=3.6\n")))
    project = NormalizedName("tiny")
    right = store.project(project)
    for wrong in ({"metadata_sha256": "0" * 64}, {"requires_python": ">=2"}, {"size": 1}, {"metadata_sha256": None}):
        store.change(project, lambda record, wrong=wrong: record.holding(replace(record.files[0], **wrong)))

        [finding] = integrity.verify(store)

        assert "its record said other things" in finding.what
        assert store.project(project) == right
        assert integrity.verify(store) == ()


def test_a_list_of_names_that_lost_one_is_written_anew(store: Store) -> None:
    add(store, NAME, wheel())
    store.names_file.write_text("")

    integrity.reconcile(store)

    assert store.names() == ["tiny"]


def test_a_damaged_record_is_named_and_the_others_are_served(store: Store) -> None:
    add(store, NAME, wheel())
    other = whole(folder="other-1.0.dist-info", metadata=METADATA.replace("tiny", "other"))
    add(store, "other-1.0-py3-none-any.whl", wheel(other))
    store.record_file(NormalizedName("tiny")).write_text('{"format": 2}')

    findings = integrity.reconcile(store)

    assert [(finding.filename, finding.served) for finding in findings] == [("tiny.json", False), (NAME, False)]
    assert "format 2, and this program writes 1" in findings[0].what
    assert integrity.verify(store) == ()


def test_half_a_line_of_the_audit_log_is_taken_back(store: Store) -> None:
    Audit(store).note("before")
    room = store.records.joinpath("audit.jsonl").stat().st_size + 10
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(OSError, match="no room") as caught:
            Audit(store).note("too long")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    Audit(store).note("after")

    assert caught.value.errno == errno.ENOSPC
    lines = (store.records / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["deed"] for line in lines] == ["before", "after"]


def test_a_project_that_is_not_there_is_told_with_one_that_is(store: Store) -> None:
    add(store, NAME, wheel())
    with pytest.raises(PublishError, match=r"did you mean tiny\?"):
        store.change(NormalizedName("tinny"), lambda record: record)


def test_two_states_of_a_project_never_have_the_same_time(store: Store) -> None:
    add(store, NAME, wheel())
    project = NormalizedName("tiny")
    far_ahead = time.time_ns() + 10**12
    os.utime(store.record_file(project), ns=(far_ahead, far_ahead))

    store.change(project, lambda record: replace(record, reason="a reason"))

    assert store.record_file(project).stat().st_mtime_ns > far_ahead


def test_a_copy_of_the_folder_made_while_it_is_written_is_a_store(store: Store, tmp_path: Path) -> None:
    add(store, NAME, wheel())
    copy = tmp_path / "copy"
    copy.mkdir()
    # What a slow copy may have seen: the files before the last upload, its record after it, and what was half there.
    shutil.copytree(store.records, copy / ".records")
    shutil.copytree(store.incoming, copy / ".incoming")
    (copy / ".incoming" / "half.part").write_bytes(b"half")

    restored = Store.open(copy)
    [finding] = integrity.reconcile(restored)

    assert (finding.filename, finding.served) == (NAME, False)
    assert listed(restored) == []
    assert add(restored, NAME, wheel()) is True


def test_a_file_larger_than_allowed_is_refused(store: Store) -> None:
    with pytest.raises(Refused, match="larger than the 100 bytes"):
        add(store, NAME, wheel(), limit=100)


def test_a_quarantined_project_serves_nothing_and_takes_nothing(store: Store) -> None:
    add(store, NAME, wheel())
    store.change(NormalizedName("tiny"), lambda record: replace(record, status=Status.QUARANTINED, reason="bad"))

    assert listed(store) == []
    with pytest.raises(Refused, match="tiny is quarantined"):
        add(store, "tiny-1.0-2-py3-none-any.whl", wheel())


class Meanwhile(Store):
    """A store in which others do something right before the list of names is replaced."""

    others: threading.Thread

    def write(self, target: Path, content: bytes, *, mtime_ns: int | None = None) -> None:
        if target == self.names_file:
            self.others.start()
            self.others.join(1)  # or until this is done, where they have to wait for it
        super().write(target, content, mtime_ns=mtime_ns)


def test_a_name_that_comes_while_the_list_is_made_again_is_on_it(tmp_path: Path) -> None:
    store = Meanwhile.open(tmp_path / "store")
    store.add(Upload(filename=NAME), io.BytesIO(wheel()))
    store.names_file.write_text("")
    metadata = METADATA.replace("tiny", "other")
    other = wheel(whole(metadata=metadata, folder="other-1.0.dist-info"))
    upload = Upload(filename="other-1.0-py3-none-any.whl")
    store.others = threading.Thread(target=lambda: Store(store.root).add(upload, io.BytesIO(other)))
    integrity.reconcile(store)
    store.others.join(10)
    assert store.names() == ["other", "tiny"]


class Interrupted(Store):
    """A store in which somebody else does something at one moment: before a function of that name does its work."""

    moment: str
    others: Callable[[], object]

    def names(self) -> list[NormalizedName]:
        self._now("names")
        return super().names()

    def adopt(self, filename: str) -> bool:
        self._now("adopt")
        return super().adopt(filename)

    def change(self, name: NormalizedName, change: Callable[[ProjectRecord], ProjectRecord]) -> ProjectRecord:
        self._now("change")
        return super().change(name, change)

    def _now(self, moment: str) -> None:
        if moment == self.moment:
            self.moment = ""
            self.others()


@pytest.mark.parametrize("moment", ["publishing", "adopting", "repairing", "publishing, and the store is read-only"])
def test_what_others_do_while_the_store_is_looked_over_is_no_finding(tmp_path: Path, moment: str) -> None:
    store, other = Interrupted.open(tmp_path / "store"), Store(tmp_path / "store")
    second = NAME.replace("1.0", "1.1")
    content = wheel(whole(metadata=METADATA.replace("1.0", "1.1"), folder="tiny-1.1.dist-info"))
    other.add(Upload(filename=NAME), io.BytesIO(wheel()))
    store.read_only = "read-only" in moment
    if moment == "adopting":
        store.file(second).write_bytes(content)
        store.moment, store.others = "adopt", lambda: other.adopt(second)
    elif moment == "repairing":
        store.file(NAME).unlink()
        store.moment, store.others = "change", lambda: store.file(NAME).write_bytes(wheel())
    else:
        store.moment = "names"
        store.others = lambda: other.add(Upload(filename=second), io.BytesIO(content))

    assert integrity.reconcile(store) == ()
    record = other.project(NormalizedName("tiny"))
    assert record is not None
    assert [file.filename for file in record.served] == ([NAME] if moment == "repairing" else [NAME, second])


def test_what_lies_among_the_partial_files_and_is_none_keeps_no_index_from_starting(store: Store) -> None:
    (store.incoming / "folder").mkdir()
    os.mkfifo(store.incoming / "pipe")
    (store.incoming / "link").symlink_to("nowhere")
    (store.incoming / "left.part").write_bytes(b"half")
    assert Store.open(store.root).sweep() == ()
    assert sorted(path.name for path in store.incoming.iterdir()) == ["folder", "link", "pipe"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-46_388_678_400.0, "1970-01-01T00:00:00.000000Z"),
        (0.0, "1970-01-01T00:00:00.000000Z"),
        (253_402_300_800.0 + 86400 * 400, "9999-12-31T23:59:59.000000Z"),
    ],
)
def test_a_time_that_no_clock_can_have_had_becomes_one_that_can_be_read(seconds: float, text: str) -> None:
    assert timestamp(seconds) == text
    file = FileRecord(filename=NAME, version="1.0", sha256="0" * 64, size=1, uploaded=text, uploader="somebody")
    record = ProjectRecord(name=NormalizedName("tiny"), files=(file,))
    assert ProjectRecord.from_json(record.to_json(), record.name) == record


def test_pages_that_were_made_without_damaged_metadata_are_made_anew_when_it_is_there_again(store: Store) -> None:
    add(store, NAME, wheel())
    before = store.record_file(NormalizedName("tiny")).stat().st_mtime_ns
    store.metadata(NAME).write_bytes(b"x")
    assert [finding.what for finding in integrity.verify(store)] == ["its metadata was damaged and is made anew"]
    assert store.record_file(NormalizedName("tiny")).stat().st_mtime_ns > before


@pytest.mark.parametrize("step", ["_append_name", "_write_record"])
def test_a_file_whose_record_was_written_stays_whatever_goes_wrong_afterwards(tmp_path: Path, step: str) -> None:
    class Failing(Store):
        def _append_name(self, name: NormalizedName) -> None:
            raise OSError(errno.EIO, "no list can be written")

        def _write_record(self, record: ProjectRecord) -> None:
            if step == "_append_name":
                super()._write_record(record)
            raise OSError(errno.EIO, "nor can this")

    store = Failing.open(tmp_path / "failing")
    with pytest.raises(OSError, match=r"written|this"):
        add(store, NAME, wheel())
    written = step == "_append_name"
    assert store.file(NAME).exists() == written
    again = Store.open(store.root)
    assert [finding.filename for finding in integrity.reconcile(again)] == []
    assert again.names() == (["tiny"] if written else [])


def test_names_are_compared_without_making_their_tags(store: Store) -> None:
    many = ".".join(f"cp3{n}" for n in range(20))
    one, other = f"tiny-1.0-01a-{many}-none-any.whl", f"Tiny-1.0-1a-{many.upper()}-NONE-any.whl"
    assert validation.identity(one) == validation.identity(other)
    for another in (
        f"tiny-1.0-2a-{many}-none-any.whl",
        f"tiny-1.0-{many}-none-any.whl",
        "tiny-1.0-1a-cp30-none-any.whl",
    ):
        assert validation.identity(another) != validation.identity(one)
    assert validation.identity("tiny-1.0.tar.gz") == validation.identity("Tiny-1.0.tar.gz")


def test_an_index_starts_on_a_full_disk_from_which_a_file_is_gone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, NAME, wheel())
    store.file(NAME).unlink()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "write", full)
    [finding] = integrity.reconcile(store)
    assert (finding.filename, finding.served) == (NAME, False)
    assert "cannot be noted: No space left" in finding.what
