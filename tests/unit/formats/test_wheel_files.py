"""Wheels whose bytes depend on what is in them and nothing else, and that every installer can read."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import random
import time
import zipfile
from pathlib import Path

import pytest
from factories import EPOCH, digest, file, symlink, wheel, zipped
from wheel.wheelfile import WheelFile

from astronomer_certified.errors import ArchiveError
from astronomer_certified.formats import wheel_files
from astronomer_certified.formats.wheel_files import Member

INFO = "demo-1.0+astro.1.dist-info"
NAME = "demo-1.0+astro.1-py3-none-any.whl"
MEMBERS = {
    f"{INFO}/METADATA": Member(content=b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0+astro.1\n"),
    f"{INFO}/WHEEL": Member(content=b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
    "demo/__init__.py": Member(content=b""),
    "demo/run.sh": Member(content=b"#!/bin/sh\n", executable=True),
    "demo/\u00e4.txt": Member(content=b"a\n" * 1000),
    "aardvark.py": Member(content=b"a\n"),
}


def test_two_wheels_of_the_same_members_are_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = wheel_files.write(tmp_path / "first" / NAME, MEMBERS, EPOCH)
    shuffled = random.Random(1).sample(list(MEMBERS.items()), len(MEMBERS))
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    before = os.umask(0o077)
    try:
        time.tzset()
        second = wheel_files.write(tmp_path / "another place" / "below" / NAME, dict(shuffled), EPOCH)
    finally:
        os.umask(before)
        monkeypatch.undo()
        time.tzset()
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256 == digest(first.path)
    assert [path.stat().st_mode & 0o777 for path in (first.path, second.path)] == [0o644, 0o644]


def test_another_date_makes_other_bytes(tmp_path: Path) -> None:
    first = wheel_files.write(tmp_path / "1" / NAME, MEMBERS, EPOCH)
    second = wheel_files.write(tmp_path / "2" / NAME, MEMBERS, EPOCH + 60)
    assert first.sha256 != second.sha256
    with zipfile.ZipFile(first.path) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2021, 5, 21, 12, 48, 8)}  # zip counts in twos


def test_dist_info_comes_last_and_record_at_the_very_end(tmp_path: Path) -> None:
    made = wheel_files.write(tmp_path / NAME, MEMBERS, EPOCH)
    with zipfile.ZipFile(made.path) as archive:
        names = archive.namelist()
    assert names == [
        "aardvark.py",
        "demo/__init__.py",
        "demo/run.sh",
        "demo/\u00e4.txt",
        f"{INFO}/METADATA",
        f"{INFO}/WHEEL",
        f"{INFO}/RECORD",
    ]


def test_record_names_every_file_with_its_hash_and_size(tmp_path: Path) -> None:
    made = wheel_files.write(tmp_path / NAME, MEMBERS, EPOCH)
    with zipfile.ZipFile(made.path) as archive:
        rows = list(csv.reader(archive.read(f"{INFO}/RECORD").decode().splitlines()))
    expected = {
        name: (
            base64.urlsafe_b64encode(hashlib.sha256(member.content).digest()).rstrip(b"=").decode(),
            len(member.content),
        )
        for name, member in MEMBERS.items()
    }
    assert {name: (value.removeprefix("sha256="), int(size)) for name, value, size in rows[:-1]} == expected
    assert rows[-1] == [f"{INFO}/RECORD", "", ""]


def test_the_wheel_project_reads_it_and_checks_every_hash(tmp_path: Path) -> None:
    made = wheel_files.write(tmp_path / NAME, MEMBERS, EPOCH)
    with WheelFile(made.path) as archive:
        for name, member in MEMBERS.items():
            assert archive.read(name) == member.content


def test_what_was_written_is_read_back_with_its_executable_bits(tmp_path: Path) -> None:
    made = wheel_files.write(tmp_path / NAME, MEMBERS, EPOCH)
    assert wheel_files.read(made.path) == MEMBERS
    assert made.filename == NAME
    assert made.size == made.path.stat().st_size
    assert wheel_files.wheel_at(made.path) == made


def test_a_wheel_takes_the_place_of_its_forerunner_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    wheel_files.write(tmp_path / NAME, {**MEMBERS, "old.py": Member(content=b"old\n")}, EPOCH)
    made = wheel_files.write(tmp_path / NAME, MEMBERS, EPOCH)
    assert "old.py" not in wheel_files.read(made.path)
    assert list(tmp_path.iterdir()) == [made.path]


def test_a_wheel_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    made = wheel_files.write(tmp_path / NAME, MEMBERS, EPOCH)
    with pytest.raises(TypeError):
        wheel_files.write(tmp_path / NAME, {**MEMBERS, "z.py": Member(content=None)}, EPOCH)  # type: ignore[arg-type]
    assert digest(made.path) == made.sha256
    assert list(tmp_path.iterdir()) == [made.path]


def test_record_and_folders_are_no_members(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "demo-1.0-py3-none-any.whl", [file("demo/"), file("demo/a.py"), file("demo-1.0.dist-info/RECORD")]
    )
    assert wheel_files.read(path).keys() == {"demo/a.py"}


@pytest.mark.parametrize("damage", ["truncated", "not a zip", "a flipped byte", "encrypted"])
def test_a_damaged_wheel_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    path = wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo/a.py": random.Random(1).randbytes(2000)})
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[:-100]
    elif damage == "not a zip":
        content = bytearray(b"hello")
    elif damage == "a flipped byte":
        content[40] ^= 0xFF  # the first bytes of the first member's deflated text
    else:
        content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"demo-1\.0-py3-none-any\.whl: not a sound wheel"):
        wheel_files.read(path)


@pytest.mark.parametrize(
    "names", [["demo/a.py"], ["a-1.dist-info/METADATA", "b-1.dist-info/METADATA"]], ids=["none", "two"]
)
def test_a_wheel_has_one_dist_info_folder(names: list[str]) -> None:
    with pytest.raises(ArchiveError, match=r"one \.dist-info folder"):
        wheel_files.dist_info({name: Member(content=b"") for name in names})


def test_a_symlink_in_a_wheel_is_read_as_no_link(tmp_path: Path) -> None:
    path = zipped(tmp_path / "demo-1.0-py3-none-any.whl", [symlink("demo/link", "/etc/passwd")])
    assert wheel_files.read(path)["demo/link"].content == b"/etc/passwd"


def test_a_wheel_with_a_requirement_that_nobody_can_read_is_copied_without_it(tmp_path: Path) -> None:
    metadata = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: {}\nRequires-Dist: six (>=1)\n"
    broken = metadata.format("a (>=0.0.45b>=0.5.0)")
    path = wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo.py": "x = 1\n", "demo-1.0.dist-info/METADATA": broken})

    copy = wheel_files.readable(wheel_files.wheel_at(path), tmp_path / "copy")

    members = wheel_files.read(copy.path)
    assert copy.path == tmp_path / "copy" / path.name
    assert members["demo-1.0.dist-info/METADATA"].content == metadata.replace("Requires-Dist: {}\n", "").encode()
    assert members["demo.py"] == wheel_files.read(path)["demo.py"]


def test_a_wheel_whose_requirements_can_be_read_stays_what_it_is(tmp_path: Path) -> None:
    found = wheel_files.wheel_at(wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo.py": ""}))
    assert wheel_files.readable(found, tmp_path / "copy") is found
