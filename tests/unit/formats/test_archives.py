"""What other people's archives may hold, and that nothing else ever reaches the disk."""

from __future__ import annotations

import contextlib
import gzip
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from factories import Entry, file, folder, hardlink, sdist, symlink, tar_gz, tree, wheel, zipped

from astronomer_certified.errors import ArchiveError
from astronomer_certified.formats import archives

TOP = "demo-1.0"
NOISE = random.Random(1).randbytes(5000)  # what does not compress, so that the archive is not a bomb

HOSTILE = {
    "an absolute path": ([file("/OUTSIDE/evil")], "evil", "absolute path"),
    "a drive": ([file("C:/evil")], "C:/evil", "absolute path"),
    "a path above the folder": ([file("../evil")], "../evil", "leads out"),
    "a path that goes up on its way": ([file(f"{TOP}/../../evil")], f"{TOP}/../../evil", "leads out"),
    "a folder above the folder": ([folder("../evil")], "../evil", "leads out"),
    "a backslash path": ([file("..\\evil")], "..\\evil", "leads out"),
    "a member that comes twice": ([file(f"{TOP}/a"), file(f"{TOP}/a", b"y")], f"{TOP}/a", "comes twice"),
    "a member that comes twice, spelled otherwise": (
        [file(f"{TOP}/a"), file(f"{TOP}/./a")],
        f"{TOP}/./a",
        "comes twice",
    ),
    "a file where a folder is": ([file(f"{TOP}/a/b"), file(f"{TOP}/a")], f"{TOP}/a", "collides"),
    "a file below a file": ([file(f"{TOP}/a"), file(f"{TOP}/a/b")], f"{TOP}/a/b", "collides"),
    "a file far below a file": ([file(f"{TOP}/a"), file(f"{TOP}/a/b/c")], f"{TOP}/a/b/c", "collides"),
    "a fifo": ([Entry(name=f"{TOP}/fifo", type=tarfile.FIFOTYPE)], f"{TOP}/fifo", ""),
}

HOSTILE_LINKS = {
    "a symlink above the folder": ([symlink(f"{TOP}/link", "../../OUTSIDE")], f"{TOP}/link", "link out of"),
    "an absolute symlink": ([symlink(f"{TOP}/link", "/etc/passwd")], f"{TOP}/link", "link out of"),
    "a hard link above the folder": ([hardlink(f"{TOP}/link", "../secret")], f"{TOP}/link", "link out of"),
    "an absolute hard link": ([hardlink(f"{TOP}/link", "/etc/passwd")], f"{TOP}/link", "link out of"),
    "a link to nothing": ([symlink(f"{TOP}/link", "nothing")], f"{TOP}/link", "not a file of the archive"),
    "a link to itself": ([symlink(f"{TOP}/link", "link")], f"{TOP}/link", "not a file of the archive"),
    "a link to a folder": (
        [file(f"{TOP}/a/b"), symlink(f"{TOP}/link", "a")],
        f"{TOP}/link",
        "not a file of the archive",
    ),
    "a file written through a link": (
        [symlink(f"{TOP}/link", "../.."), file(f"{TOP}/link/evil")],
        f"{TOP}/link",
        "",
    ),
    "a link over a file": ([file(f"{TOP}/a"), symlink(f"{TOP}/a", "b")], f"{TOP}/a", "comes twice"),
    "a device": ([Entry(name=f"{TOP}/device", type=tarfile.CHRTYPE)], f"{TOP}/device", "neither file, folder nor link"),
}


def refusal(unpack: Callable[[Path, Path], Path], archive: Path) -> ArchiveError:
    """How an archive is refused; fails if one byte is outside of the folder it is unpacked in."""
    inside = archive.parent / "parent" / "folder"
    inside.mkdir(parents=True)
    with pytest.raises(ArchiveError) as caught:
        unpack(archive, inside)
    written = {path for path in archive.parent.rglob("*") if inside not in path.parents}
    assert written == {archive, inside.parent, inside}
    assert archive.name in caught.value.what
    return caught.value


@pytest.mark.parametrize(("entries", "member", "why"), (HOSTILE | HOSTILE_LINKS).values(), ids=HOSTILE | HOSTILE_LINKS)
def test_a_hostile_sdist_is_refused_by_the_name_of_its_member(
    tmp_path: Path, entries: list[Entry], member: str, why: str
) -> None:
    archive = tar_gz(tmp_path / "demo-1.0.tar.gz", [file(f"{TOP}/PKG-INFO"), *entries])
    error = refusal(archives.unpack_sdist, archive)
    assert member in error.details[0].replace("\\\\", "\\")
    assert why in error.details[0]


@pytest.mark.parametrize(("entries", "member", "why"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hostile_wheel_is_refused_by_the_name_of_its_member(
    tmp_path: Path, entries: list[Entry], member: str, why: str
) -> None:
    archive = zipped(tmp_path / "demo-1.0-py3-none-any.whl", [file("demo/__init__.py"), *entries])
    error = refusal(archives.unpack_wheel, archive)
    assert member in error.details[0].replace("\\\\", "\\")
    assert why in error.details[0]


def test_a_wheel_with_a_symlink_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "demo-1.0-py3-none-any.whl", [symlink("demo/link", "/etc/passwd")])
    assert "'demo/link': not a regular file" in refusal(archives.unpack_wheel, archive).details[0]


def test_an_sdist_that_grows_beyond_reason_is_refused_before_it_fills_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_RATIO_FLOOR", 1000)
    monkeypatch.setattr(archives, "MAX_RATIO", 10)
    archive = tar_gz(tmp_path / "demo-1.0.tar.gz", [file(f"{TOP}/bomb", bytes(8_000_000))])
    error = refusal(archives.unpack_sdist, archive)
    assert f"'{TOP}/bomb': absurd size" in error.details[0]
    assert sum(path.stat().st_size for path in tmp_path.rglob("bomb")) < 2_000_000


def test_a_wheel_that_grows_beyond_reason_is_refused_before_it_fills_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_RATIO_FLOOR", 1000)
    monkeypatch.setattr(archives, "MAX_RATIO", 10)
    archive = zipped(tmp_path / "demo-1.0-py3-none-any.whl", [file("bomb", bytes(8_000_000))])
    assert "'bomb': absurd size" in refusal(archives.unpack_wheel, archive).details[0]


def test_links_count_towards_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 12_000)
    links = [hardlink(f"{TOP}/link{number}", f"{TOP}/noise") for number in range(5)]
    archive = tar_gz(tmp_path / "demo-1.0.tar.gz", [file(f"{TOP}/noise", NOISE), *links])
    assert f"'{TOP}/link1': absurd size" in refusal(archives.unpack_sdist, archive).details[0]


def test_a_member_that_claims_an_absurd_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    archive = tar_gz(tmp_path / "demo-1.0.tar.gz", [file(f"{TOP}/noise", NOISE)])
    assert "absurd size: 5000 bytes" in refusal(archives.unpack_sdist, archive).details[0]


@pytest.mark.parametrize("kind", [file, folder], ids=["files", "folders"])
def test_an_sdist_with_too_many_members_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[str], Entry]
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    archive = tar_gz(tmp_path / "demo-1.0.tar.gz", [kind(f"{TOP}/{number}") for number in range(4)])
    assert f"'{TOP}/3': more than 3 members" in refusal(archives.unpack_sdist, archive).details[0]


def test_a_wheel_with_too_many_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    archive = zipped(tmp_path / "demo-1.0-py3-none-any.whl", [file(str(number)) for number in range(4)])
    assert "'3': more than 3 members" in refusal(archives.unpack_wheel, archive).details[0]


@pytest.mark.parametrize(
    ("entries", "count"),
    [
        ([file(f"{TOP}/a"), file("other-1.0/a")], 2),
        ([file(f"{TOP}/a"), folder("other-1.0")], 2),
        ([file(f"{TOP}/a"), file("README")], 2),
        ([], 0),
    ],
    ids=["two folders", "an empty second folder", "a file beside the folder", "empty"],
)
def test_an_sdist_has_one_top_folder(tmp_path: Path, entries: list[Entry], count: int) -> None:
    archive = tar_gz(tmp_path / "demo-1.0.tar.gz", entries)
    assert f"must hold one top folder, not {count}" in refusal(archives.unpack_sdist, archive).what


def test_an_sdist_that_is_one_file_has_no_top_folder(tmp_path: Path) -> None:
    archive = tar_gz(tmp_path / "demo-1.0.tar.gz", [file(TOP)])
    assert "must hold one top folder" in refusal(archives.unpack_sdist, archive).what


def test_a_truncated_sdist_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    whole = sdist(tmp_path / "whole" / "demo-1.0.tar.gz", {"noise": NOISE, "a": "a\n"}).read_bytes()
    for number, length in enumerate(range(0, len(NOISE), 499)):
        archive = tmp_path / str(number) / "demo-1.0.tar.gz"
        archive.parent.mkdir()
        archive.write_bytes(whole[:length])
        assert "not a sound .tar.gz" in refusal(archives.unpack_sdist, archive).what


@pytest.mark.parametrize("content", [b"", b"plain text\n" * 1000, b"\x1f\x8b"], ids=["empty", "text", "magic only"])
def test_what_is_not_a_tar_gz_is_refused(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "demo-1.0.tar.gz"
    archive.write_bytes(content)
    assert "not a sound .tar.gz" in refusal(archives.unpack_sdist, archive).what


@pytest.mark.parametrize("content", [b"", b"plain text\n" * 1000, b"PK\x03\x04"], ids=["empty", "text", "magic only"])
def test_what_is_not_a_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "demo-1.0-py3-none-any.whl"
    archive.write_bytes(content)
    assert "not a sound wheel" in refusal(archives.unpack_wheel, archive).what


@pytest.mark.parametrize("seed", [*range(30), 155])
def test_a_damaged_archive_is_unpacked_or_refused_and_nothing_else(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    raw = gzip.decompress(sdist(tmp_path / "demo-1.0.tar.gz", {"setup.py": "a\n", "noise": NOISE}).read_bytes())
    packed = wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo/a.py": "a\n", "demo/noise": NOISE}).read_bytes()
    for whole, archive, unpack in (
        (raw, tmp_path / "demo-1.0.tar.gz", archives.unpack_sdist),
        (packed, tmp_path / "demo-1.0-py3-none-any.whl", archives.unpack_wheel),
    ):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            # Headers are where damage is interesting: the first and the last kilobyte.
            damaged[dice.choice([dice.randrange(1024), -dice.randrange(1, 1024)])] = dice.randrange(256)
        archive.write_bytes(gzip.compress(damaged, 1) if unpack is archives.unpack_sdist else bytes(damaged))
        before = tree(tmp_path)
        inside = tmp_path / "inside" / archive.suffix
        inside.mkdir(parents=True)
        with contextlib.suppress(ArchiveError):
            unpack(archive, inside)
        assert {name: content for name, content in tree(tmp_path).items() if not name.startswith("inside/")} == {
            name: content for name, content in before.items() if not name.startswith("inside/")
        }


def test_a_good_sdist_is_unpacked_below_its_top_folder(tmp_path: Path) -> None:
    archive = tar_gz(
        tmp_path / "demo-1.0.tar.gz",
        [folder(TOP), file(f"{TOP}/setup.py", b"a\n"), file(f"{TOP}/bin/run", b"#!/bin/sh\n", 0o755)],
    )
    top = archives.unpack_sdist(archive, tmp_path / "folder")
    assert top == tmp_path / "folder" / TOP
    assert tree(top) == {"setup.py": b"a\n", "bin/run": b"#!/bin/sh\n"}
    assert (top / "bin/run").stat().st_mode & 0o777 == 0o755
    assert (top / "setup.py").stat().st_mode & 0o777 == 0o644


def test_modes_that_would_hurt_are_not_taken_over(tmp_path: Path) -> None:
    archive = tar_gz(tmp_path / "demo-1.0.tar.gz", [file(f"{TOP}/a", mode=0o6777), file(f"{TOP}/b", mode=0)])
    top = archives.unpack_sdist(archive, tmp_path / "folder")
    assert [oct((top / name).stat().st_mode & 0o7777) for name in ("a", "b")] == ["0o755", "0o644"]


@pytest.mark.parametrize(
    "link",
    [symlink(f"{TOP}/docs/link", "../bin/run"), hardlink(f"{TOP}/docs/link", f"{TOP}/bin/run")],
    ids=["sym", "hard"],
)
def test_a_link_inside_of_the_archive_becomes_the_file_it_means(tmp_path: Path, link: Entry) -> None:
    archive = tar_gz(tmp_path / "demo-1.0.tar.gz", [link, file(f"{TOP}/bin/run", b"run\n", 0o755)])
    made = archives.unpack_sdist(archive, tmp_path / "folder") / "docs/link"
    assert not made.is_symlink()
    assert made.stat().st_nlink == 1
    assert made.read_bytes() == b"run\n"
    assert made.stat().st_mode & 0o100


def test_what_stands_there_already_is_not_written_through(tmp_path: Path) -> None:
    archive = sdist(tmp_path / "demo-1.0.tar.gz", {"setup.py": "new\n"})
    (tmp_path / "folder" / TOP).mkdir(parents=True)
    (tmp_path / "folder" / TOP / "setup.py").symlink_to(tmp_path / "outside")
    with pytest.raises(ArchiveError, match="refused to unpack it"):
        archives.unpack_sdist(archive, tmp_path / "folder")
    assert not (tmp_path / "outside").exists()


def test_a_good_wheel_is_unpacked_with_its_executable_bits(tmp_path: Path) -> None:
    entries = [folder("demo"), file("demo/a.py", b"a\n"), file("demo-1.0.data/scripts/run", b"run\n", 0o755)]
    inside = archives.unpack_wheel(zipped(tmp_path / "demo-1.0-py3-none-any.whl", entries), tmp_path / "folder")
    assert tree(inside) == {"demo/a.py": b"a\n", "demo-1.0.data/scripts/run": b"run\n"}
    assert (inside / "demo-1.0.data/scripts/run").stat().st_mode & 0o777 == 0o755
    assert (inside / "demo/a.py").stat().st_mode & 0o777 == 0o644


# --- what an sdist wants to be built with


def test_the_build_requirements_of_an_sdist_are_those_of_its_pyproject(tmp_path: Path) -> None:
    text = '[build-system]\nrequires = ["setuptools>=40", "wheel"]\n'
    with_one = sdist(tmp_path / "demo-1.0.tar.gz", {"tests/pyproject.toml": "", "pyproject.toml": text})
    assert archives.build_requires(with_one) == ("setuptools>=40", "wheel")
    without = sdist(tmp_path / "demo-2.0.tar.gz", {"setup.py": ""})
    assert archives.build_requires(without) == ()


@pytest.mark.parametrize(
    "text",
    ["[build-system", "build-system = 1\n", "[build-system]\nrequires = 1\n", b"# \xff\n"],
    ids=["no TOML", "no table", "no array", "no UTF-8"],
)
def test_a_pyproject_that_cannot_be_read_is_one_clear_error(tmp_path: Path, text: str | bytes) -> None:
    archive = sdist(tmp_path / "demo-1.0.tar.gz", {"pyproject.toml": text})
    with pytest.raises(ArchiveError, match=r"demo-1\.0\.tar\.gz: its pyproject\.toml cannot be read"):
        archives.build_requires(archive)


def zip_sdist(target: Path, **entries: str) -> Path:
    return zipped(target, [file(f"demo-1.0/{name}", text.encode()) for name, text in entries.items()])


def test_a_zip_of_old_times_is_an_sdist_as_well(tmp_path: Path) -> None:
    stated = {"setup.py": "a\n", "pyproject.toml": '[build-system]\nrequires = ["flit-core"]\n'}
    archive = zip_sdist(tmp_path / "demo-1.0.zip", **stated)

    assert archives.build_requires(archive) == ("flit-core",)
    assert {name: read() for name, read in archives.sdist_files(archive)} == {
        name: text.encode() for name, text in stated.items()
    }
    inside = archives.unpack_sdist(archive, tmp_path / "folder")
    assert inside.name == "demo-1.0"
    assert tree(inside) == {name: text.encode() for name, text in stated.items()}


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([file("a/setup.py"), file("b/setup.py")], "must hold one top folder, not 2"),
        ([file("setup.py")], "must hold one top folder with files in it"),
        ([file("demo-1.0/../../setup.py")], "refused to unpack it"),
        ([symlink("demo-1.0/setup.py", "/etc/passwd")], "refused to unpack it"),
    ],
)
def test_a_zip_is_as_strictly_looked_at_as_a_tar(tmp_path: Path, entries: list[Entry], why: str) -> None:
    assert why in refusal(archives.unpack_sdist, zipped(tmp_path / "demo-1.0.zip", entries)).what


def test_a_zip_that_is_cut_off_is_refused_also_when_it_is_only_read(tmp_path: Path) -> None:
    archive = zip_sdist(tmp_path / "demo-1.0.zip", **{"pyproject.toml": NOISE.hex()})
    whole = archive.read_bytes()
    archive.write_bytes(whole[:200] + bytes(100) + whole[300:])
    with pytest.raises(ArchiveError, match=r"not a sound \.zip"):
        archives.build_requires(archive)


def test_what_is_no_sdist_has_no_build_requirements(tmp_path: Path) -> None:
    (tmp_path / "demo-1.0.tar.gz").write_bytes(b"no archive")
    with pytest.raises(ArchiveError, match=r"not a sound \.tar\.gz"):
        archives.build_requires(tmp_path / "demo-1.0.tar.gz")
