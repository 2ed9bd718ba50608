"""The folder that an image is made from: whole, the same each time, and the same for every builder."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import pytest
from factories import ROOT
from packaging.version import Version

from astronomer_certified.artifacts import Python, Release
from astronomer_certified.errors import UsageError
from astronomer_certified.formats.wheel_files import wheel_at
from astronomer_certified.image import context, suites
from astronomer_certified.image.context import Image, OwnBase

SHIPPED = (ROOT / "src" / "astronomer_certified" / "payload" / "astronomer-certified").read_text(encoding="utf-8")


def image(**changes: Any) -> Image:
    made = Image(
        release=Release(upstream=Version("2.1.0"), revision=4),
        suite=suites.find("buster"),
        python=Python(3, 7),
        base="python:3.7-slim-buster",
        epoch=1_600_000_000,
        environment=context.defaults(SHIPPED),
    )
    return replace(made, **changes)


def test_tags_are_those_of_the_document() -> None:
    made = image()
    assert context.tags(made.release, made.suite) == ("2.1.0-4-buster", "2.1.0-buster")
    assert context.tags(made.release, made.suite, onbuild=True) == ("2.1.0-4-buster-onbuild", "2.1.0-buster-onbuild")


def test_the_environment_is_that_of_the_shipped_file_and_says_what_is_in_the_image() -> None:
    text = context.containerfile(image(user="airflow", uid=50000, python=Python(3, 8)))
    for line in (
        'AIRFLOW_HOME="/usr/local/airflow"', 'ASTRONOMER_USER="airflow"', 'ASTRONOMER_UID="50000"',
        'PYTHON_MAJOR_MINOR_VERSION="3.8"', 'AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION="True"',
    ):  # fmt: skip
        assert line in text
    assert "FERNET_KEY" not in text  # a key that everybody has is none
    assert "\nUSER 50000\n" in text


def test_a_dollar_in_a_value_begins_no_variable() -> None:
    text = context.containerfile(image(environment={"AIRFLOW_HOME": "/a", "X": 'a"$b\\c'}))
    assert 'X="a\\"\\$b\\\\c"' in text


def test_no_word_of_the_containerfile_is_left_and_none_is_known_to_one_builder_only() -> None:
    for text in (context.containerfile(image()), context.onbuild(image())):
        assert not re.search(r"\{\w+\}", text)
        assert not re.search(r"--mount|--chmod|<<", text)
    assert "FROM python:3.7-slim-buster AS system" in context.containerfile(image())
    assert "FROM system AS wheels" in context.containerfile(image())


def test_the_same_makes_the_same_and_wheels_are_pinned_by_their_bytes(tmp_path: Path) -> None:
    wheel = factories.wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo.py": "x = 1\n"})
    system = tmp_path / "base.tar"
    system.write_bytes(b"tar")
    made = image(base=OwnBase(system=system, python=system, full_version="3.8.18"), suite=suites.find("bookworm"))
    for name in ("one", "two"):
        context.write(tmp_path / name, made, [wheel_at(wheel)], "demo==1.0\n", b"{}")
    assert factories.tree(tmp_path / "one") == factories.tree(tmp_path / "two")
    requirements = (tmp_path / "one" / "wheels" / "requirements.txt").read_text()
    assert requirements == f"demo==1.0 --hash=sha256:{factories.digest(wheel)}\n"
    text = (tmp_path / "one" / "Containerfile").read_text()
    assert "FROM scratch AS system\nADD base.tar /\nADD python.tar /usr/local/\n" in text
    packages = (tmp_path / "one" / "packages.txt").read_text().split()
    assert {"tini", "gosu", "libssl3", "ca-certificates"} < set(packages)
    # A base of a registry has its own Python, and so what that needs.
    assert "libsqlite3-0" not in context.packages(image())
    assert (tmp_path / "one" / "files" / "entrypoint").stat().st_mode & 0o111


@pytest.mark.parametrize(
    "changes", [{"user": "root"}, {"user": "a b"}, {"user": "x\nRUN evil"}, {"uid": 0}, {"uid": 70000}]
)
def test_who_can_be_no_user_of_an_image_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        image(**changes)
