"""patches/proofs/routes/: each difference between upstream's routes and ours has a patch that explains it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from factories import ROOT

PROOF = "test_routes.py"
HEADS = ["interface", "method", "rule", "rights upstream", "rights ours", "status upstream", "status ours", "patch"]
TABLES = sorted((ROOT / "patches" / "proofs" / "routes").glob("*.tsv"))


def carried(version: str) -> dict[str, Path]:
    """The patches of the core of a version, by their names without number."""
    folder = ROOT / "patches" / version
    names = (folder / "series").read_text(encoding="utf-8").split()
    return {re.sub(r"^\d+-|\.patch$", "", name): folder / name for name in names}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)
def test_differences_are_explained_by_patches_of_the_series_and_nothing_else_is(table: Path) -> None:
    heads, *rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]
    assert heads == HEADS
    assert {len(row) for row in rows} == {len(HEADS)}
    assert rows == sorted(rows, key=lambda row: row[:3])
    assert len({tuple(row[:3]) for row in rows}) == len(rows)

    different = [row for row in rows if row[3] != row[4] or row[5] != row[6]]

    assert [row for row in rows if row[7]] == different
    assert {name for row in different for name in row[7].split(",")} <= carried(table.stem).keys()


def test_a_version_has_a_table_if_and_only_if_a_patch_of_it_names_the_proof() -> None:
    named = {
        path.parent.name
        for path in (ROOT / "patches").glob("*/*.patch")
        if re.search(rf"^Proof: .*\b{re.escape(PROOF)}$", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named == {table.stem for table in TABLES}
