"""NOT DONE is told by reason, not by the thing: ninety wheels for want of one Python are one paragraph."""

from __future__ import annotations

from astronomer_certified.artifacts import NotDone
from astronomer_certified.commands.not_done import told

NO_PYTHON = "no such CPython on this machine"


def wheel(name: str, python: str, why: str = NO_PYTHON) -> NotDone:
    how = f"`uv python install {python}`, then run it again"
    return NotDone(what=f"wheel of {name} for Python {python}", why=why, how=how, kind="wheel", python=python)


def test_many_things_of_one_reason_are_counted_and_their_pythons_named() -> None:
    lacking = [wheel(name, python) for python in ("3.10", "3.6", "3.7") for name in ("a", "b")]
    install = NotDone(what="install", why=NO_PYTHON, how=lacking[0].how, kind="install", python="3.10")

    assert told([*lacking, install]).splitlines() == [
        "  6 wheels and 1 install for Python 3.6, 3.7 and 3.10",
        f"    why: {NO_PYTHON}",
        "    how: `uv python install 3.6`, then run it again (and likewise for 3.7 and 3.10)",
    ]


def test_a_few_things_are_named() -> None:
    assert told([wheel("a", "3.6"), wheel("b", "3.6")]).splitlines()[0] == (
        "  wheel of a for Python 3.6 and wheel of b for Python 3.6"
    )


def test_each_reason_has_a_paragraph_of_its_own() -> None:
    lines = told([wheel("a", "3.6"), wheel("b", "3.6", "no C compiler"), wheel("c", "3.6")]).splitlines()

    assert [line.strip() for line in lines if "why:" in line] == [f"why: {NO_PYTHON}", "why: no C compiler"]
    assert len(lines) == 6


def test_what_has_no_kind_is_named_however_much_it_is() -> None:
    things = [NotDone(what=f"thing {number}", why="because", how="do it") for number in range(5)]
    assert told(things).splitlines()[0] == "  thing 0, thing 1, thing 2, thing 3 and thing 4"
