"""What is known of the pins of each release: counted, named, and ended where an override says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from factories import ROOT

from astronomer_certified.commands.main import main
from astronomer_certified.release import auditing
from astronomer_certified.workspace import Workspace

WORKSPACE = Workspace.at(ROOT)
EVERY = auditing.audits(WORKSPACE, WORKSPACE.versions())


def audit(*words: str) -> int:
    return main(["-C", str(ROOT), "audit", *words])


@pytest.mark.parametrize("found", EVERY, ids=lambda found: f"{found.title}-{found.python}")
def test_what_an_override_or_repair_is_said_to_end_is_not_there_any_more(found: auditing.Audit) -> None:
    left = {name for hit in found.hits for name in hit.advisory.names}
    assert left.isdisjoint(found.ended)


def test_the_page_is_what_the_project_says_now() -> None:
    made = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    assert made == auditing.page(EVERY), "certified audit --page > docs/dependencies.md"


def test_the_table_has_a_row_for_each_python(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("2.1.0") == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["release", "Python", "pins", "known", "high", "not", "reachable", "ended"]
    assert [row.split()[1] for row in rows] == ["3.6", "3.7", "3.8"]


def test_the_list_and_the_json_name_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("2.1.0", "--python", "3.8", "--list") == 0
    listed = capsys.readouterr().out.splitlines()
    assert audit("2.1.0", "--python", "3.8", "--json") == 0
    [found] = json.loads(capsys.readouterr().out)
    assert [(line.split()[0], line.split()[2]) for line in listed[3:]] == [
        (item["project"], item["id"]) for item in found["known"]
    ]
    assert {"project": "gunicorn", "id": "CVE-2024-1135"} in found["ended"]


def test_the_pins_of_any_file_are_looked_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "constraints-3.8.txt"
    path.write_text("gunicorn==20.1.0\nnobody-knows-it==1\n")
    assert audit("--constraints", str(path), "--python", "3.8", "--list") == 0
    assert "CVE-2024-1135" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--constraints", "x"], "--constraints takes no VERSION, and needs --python"),
        (["2.1.0", "--constraints", "x", "--python", "3.8"], "--constraints takes no VERSION"),
        (["2.1.0", "--python", "3.9"], "none of these releases is for Python 3.9"),
        (["9.9.9"], "9.9.9"),
        (["--constraints", "/nowhere/constraints.txt", "--python", "3.8"], "/nowhere/constraints.txt"),
    ],
)
def test_what_cannot_be_looked_through_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(*words) != 0
    assert said in capsys.readouterr().err
