"""An archive of a C library is unpacked as far as it is needed, and one that is broken is named."""

from __future__ import annotations

import contextlib
import io
import tarfile
from pathlib import Path

import pytest

from astronomer_certified.errors import ArchiveError
from astronomer_certified.native import sources


def archive(path: Path, *members: str) -> Path:
    with tarfile.open(path, "w:xz") as tar:
        for name in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            tar.addfile(entry, io.BytesIO(name.encode()))
    return path


def unpacked(given: Path, folder: Path, below: str = "") -> list[str]:
    tree = sources._unpacked(given, folder, below)
    return sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file())


def test_only_the_folder_that_is_wanted_is_unpacked(tmp_path: Path) -> None:
    given = archive(tmp_path / "all.tar.xz", "all-1.0/huge/a.c", "all-1.0/part/b.c", "all-1.0/partial/c.c")
    assert unpacked(given, tmp_path / "part", "part") == ["b.c"]
    assert unpacked(given, tmp_path / "all") == ["huge/a.c", "part/b.c", "partial/c.c"]


@pytest.mark.parametrize(
    ("members", "below"), [(("a-1.0/x", "b-1.0/x"), ""), (("a-1.0/x",), "y"), ((), "")], ids=["two", "other", "none"]
)
def test_an_archive_without_that_one_folder_is_refused(tmp_path: Path, members: tuple[str, ...], below: str) -> None:
    with pytest.raises(ArchiveError, match="must hold one top folder"):
        unpacked(archive(tmp_path / "odd.tar.xz", *members), tmp_path / "out", below)


@pytest.mark.parametrize("length", [0, 60, 200])
def test_an_archive_that_is_torn_is_named(tmp_path: Path, length: int) -> None:
    given = archive(tmp_path / "torn.tar.xz", *(f"torn-1.0/{number}.c" for number in range(200)))
    given.write_bytes(given.read_bytes()[:length])
    with pytest.raises(ArchiveError, match=r"torn\.tar\.xz: cannot be unpacked"):
        unpacked(given, tmp_path / "out")


@pytest.mark.parametrize("name", ["evil-1.0/../../outside", "/tmp/evil-outside/x"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    given = archive(tmp_path / "evil.tar.xz", "evil-1.0/x", name)
    (tmp_path / "in").mkdir()
    # An absolute name is refused, or is below the folder.
    with contextlib.suppress(ArchiveError):
        unpacked(given, tmp_path / "in" / "out")
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "in" / "outside").exists()
    assert not Path("/tmp/evil-outside").exists()
