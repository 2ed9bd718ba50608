"""An export holds what the records say or leaves it out; one damaged thing costs nothing else."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from packaging.utils import NormalizedName
from tiny_wheels import NAME, wheel, whole

from astronomer_certified.commands import main
from astronomer_certified.index.copies import static_files
from astronomer_certified.index.copies.static_files import Serving, Written
from astronomer_certified.index.store.store import Store, Upload

OTHER = "other-1.0-py3-none-any.whl"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(tmp_path / "index" / "packages")
    metadata = "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n"
    store.add(Upload(filename=NAME), io.BytesIO(wheel()))
    store.add(Upload(filename=OTHER), io.BytesIO(wheel(whole(folder="other-1.0.dist-info", metadata=metadata))))
    return store


def write(store: Store, **more: str) -> tuple[Written, Path]:
    target = store.root.parent.parent / "export"
    return static_files.write(store, target, Serving(**more)), target / "current"


def listed(tree: Path, project: str = "tiny") -> list[dict[str, object]]:
    files: list[dict[str, object]] = json.loads((tree / "simple" / project / "index.json").read_text())["files"]
    return files


@pytest.mark.parametrize("damage", [bytes(len(wheel())), None], ids=["changed", "gone"])
def test_damaged_bytes_are_left_out_and_named_until_they_are_whole_again(store: Store, damage: bytes | None) -> None:
    if damage is None:
        store.file(NAME).unlink()
    else:
        store.file(NAME).write_bytes(damage)
    result, tree = write(store)

    assert [line.partition(":")[0] for line in result.withheld] == [NAME]
    assert (listed(tree), [path.name for path in (tree / "gone").iterdir()]) == ([], [NAME])
    assert not (tree / "packages" / NAME).exists()
    assert len(listed(tree, "other")) == 1

    store.add(Upload(filename=NAME), io.BytesIO(wheel()))
    result, tree = write(store)
    assert result.withheld == ()
    assert (tree / "packages" / NAME).read_bytes() == wheel()
    assert len(listed(tree)) == 1


def test_a_file_that_was_changed_in_the_export_is_corrected_by_the_next(store: Store) -> None:
    _, tree = write(store)
    (tree / "packages" / NAME).write_bytes(bytes(len(wheel())))

    result, tree = write(store)

    assert (tree / "packages" / NAME).read_bytes() == wheel()
    assert result.written == 2  # the file, and the page of all projects
    assert write(store)[0].written == 1


def test_damaged_metadata_is_left_out_and_its_file_stays(store: Store) -> None:
    store.metadata(NAME).write_text("not it")

    result, tree = write(store)

    assert result.withheld == (f"{NAME}: its metadata is damaged and left out",)
    assert [file["core-metadata"] for file in listed(tree)] == [False]
    assert (tree / "packages" / NAME).exists()


def test_a_project_whose_record_cannot_be_read_stays_as_it_was(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    write(store)
    store.record_file(NormalizedName("tiny")).write_text("garbage")

    result, tree = write(store)

    assert result.withheld[0].startswith("tiny: shown as it was at the last export")
    assert len(listed(tree)) == 1
    assert (tree / "packages" / NAME).read_bytes() == wheel()
    assert (tree / "packages" / f"{NAME}.metadata").exists()
    assert (tree / "project" / "tiny" / "index.html").exists()
    words = ["index", "export", str(tree.parent), "--index", str(store.root.parent)]
    assert main.main(words) == 1
    assert "could not be exported; everything else was" in capsys.readouterr().err


def test_the_pages_of_an_export_lead_where_it_is_served_and_have_no_search(store: Store) -> None:
    _, tree = write(store, public_url="https://packages.example/team")

    for page in ("index.html", "project/tiny/index.html"):
        text = (tree / page).read_text()
        assert "https://packages.example/team/simple/ " in text
        assert "<form" not in text
