"""Where an operator says that upstream's constraints are; addresses are tried in integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from astronomer_certified.artifacts import Python
from astronomer_certified.errors import UpstreamError
from astronomer_certified.source import upstream_constraints

V, P38 = Version("2.3.4"), Python(3, 8)


def written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"flask==1\n")
    return path


@pytest.mark.parametrize("layout", ["constraints-2.3.4/constraints-3.8.txt", "constraints-3.8.txt"])
def test_a_folder_is_laid_out_as_upstreams_or_of_one_version(tmp_path: Path, layout: str) -> None:
    path = written(tmp_path / layout)
    assert upstream_constraints.find(str(tmp_path), V, P38) == (str(path), b"flask==1\n")


def test_a_file_is_taken_as_it_is_and_a_place_may_say_where_the_names_go(tmp_path: Path) -> None:
    path = written(tmp_path / "2.3.4" / "for-3.8")
    assert upstream_constraints.find(str(path), V, P38)[0] == str(path)
    assert upstream_constraints.find(f"{tmp_path}/{{version}}/for-{{python}}", V, P38)[0] == str(path)


def test_every_place_that_was_tried_is_named(tmp_path: Path) -> None:
    with pytest.raises(UpstreamError) as refused:
        upstream_constraints.find(f"{tmp_path}/", V, P38)
    assert refused.value.details == (
        f"{tmp_path}/constraints-2.3.4/constraints-3.8.txt", f"{tmp_path}/constraints-3.8.txt",
    )  # fmt: skip


def test_a_file_that_is_far_too_large_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "constraints-3.8.txt"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(UpstreamError, match="is larger than"):
        upstream_constraints.find(str(path), V, P38)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "constraints-3.8.txt").mkdir()
    with pytest.raises(UpstreamError, match="cannot be read"):
        upstream_constraints.find(str(tmp_path), V, P38)
