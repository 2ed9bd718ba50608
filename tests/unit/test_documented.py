"""What the documentation says can be typed is typed by a test, or says itself that it is not; see CONTRIBUTING.md."""

from __future__ import annotations

import argparse
import itertools
import re
import shlex
from collections.abc import Iterator

import pytest

from astronomer_certified.commands import main
from documented import ROOT, Command, commands_of, documented, run_on_submission, typed, typed_in

# What may stand in place of a placeholder; the first that the command line takes will do.
SAMPLES = {"VERB": ("check", "list"), "VERSION": ("2.1.0",), "STATUS": ("active",)}


def plain() -> set[str]:
    """The commands that are no forms, and stand on a page which does not say that they are not run."""
    marked = {(command.page, command.text) for command in documented() if command.marked}
    return {
        command.text
        for command in documented()
        if not (command.is_form or names_a_verb(command.text)) and (command.page, command.text) not in marked
    }


def names_a_verb(text: str) -> bool:
    """Whether it is a verb, or the first words of several, and nothing to type: more must follow."""
    known = any(f"{verb} ".startswith(f"{text} ") for verb in VERBS)
    return known and not accepted(text.split()[1:])


def leaves(parser: argparse.ArgumentParser, above: str = "certified") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every verb of the command line that does something, as it is typed."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in below:
        for name, verb in action.choices.items():
            yield from leaves(verb, f"{above} {name}")
    if not below:
        yield above, parser


VERBS = dict(leaves(main.parser()))


def test_every_command_is_typed_by_a_test_or_on_every_submission() -> None:
    assert sorted(plain() - typed().keys() - run_on_submission()) == []


def test_tests_type_nothing_that_a_page_calls_an_example_or_that_no_page_has() -> None:
    assert sorted(typed().keys() - plain()) == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_typed_by_a_test(verb: str) -> None:
    assert [command for command in typed() if f"{command} ".startswith(f"{verb} ")], verb


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_row(verb: str) -> None:
    assert [row for row in rows() if any(f"{form} ".startswith(f"{verb} ") for form in forms_of(row))], verb


def rows() -> list[str]:
    text = (ROOT / "docs" / "verbs.md").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.startswith("| `")]


def forms_of(row: str) -> list[str]:
    """The commands in the first cell of a row."""
    return re.findall(r"`([^`]+)`", row.split(" | ")[0])


def test_a_row_names_only_options_that_its_verb_has() -> None:
    unknown = []
    for row in rows():
        has = {
            option
            for form in forms_of(row)
            for verb, parser in VERBS.items()
            if f"{form} ".startswith(f"{verb} ")
            for option in parser._option_string_actions
        }
        unknown += [option for option in re.findall(r"`(--[a-z-]+)", row) if option not in has]
    assert unknown == []


def accepted(words: list[str]) -> bool:
    """Whether the command line takes these words, with something in place of each placeholder."""
    for chosen in itertools.product(*(SAMPLES.get(word, (word,)) for word in words)):
        given = [word for word in chosen if word != "…"]
        try:
            main.parser().parse_args(given)
        except SystemExit as ended:
            if ended.code:
                continue
        return True
    return False


@pytest.mark.parametrize(
    "command", sorted({command.text for command in documented() if command.is_form or command.marked})
)
def test_forms_and_examples_are_what_the_command_line_and_the_makefile_have(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program, *words = shlex.split(command.split(" > ")[0])
    if program == "certified":
        assert accepted(words), capsys.readouterr().err
    elif program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{words[0]}:", makefile, re.MULTILINE)
        assert [
            word for word in words[1:] if not re.search(rf"^{word.split('=')[0]} \?=", makefile, re.MULTILINE)
        ] == []
    else:
        pytest.fail(f"{program} is not ours: nobody would see that it is wrong; type it in a test")


def test_every_target_of_the_makefile_is_documented_by_its_help() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    helped = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))

    assert targets == helped


# --- what holds the above can fail

PAGE = """\
Type `make check`, or for example `make bench`; by hand,
`make certify-all`. `certified new VERSION` drafts, `not a command` is none, and `makefile` neither.

For example:

    certified build 2.1.0
    not a command

Then

    git commit

1. In a list:

        certified check 2.1.0
"""


def test_commands_are_found_with_what_is_said_of_them() -> None:
    def found(text: str, *, marked: bool = False) -> Command:
        return Command(text=text, page="page", marked=marked)

    commands = sorted(commands_of("page", PAGE), key=lambda command: command.text)

    assert commands == [
        found("certified build 2.1.0", marked=True),
        found("certified check 2.1.0"),
        found("certified new VERSION"),
        found("git commit"),
        found("make bench", marked=True),
        found("make certify-all", marked=True),
        found("make check"),
    ]
    assert [command.text for command in commands if command.is_form] == ["certified new VERSION"]


def test_a_value_in_capitals_is_no_placeholder() -> None:
    for text in ("make serve PORT=8080", "certified prove 2.1.0 CVE-2021-38540"):
        assert not Command(text=text, page="", marked=False).is_form


MODULE = """\
@pytest.mark.parametrize("command", ["one", "two"])
def test_a(command):
    terminal.types(command)

def test_b():
    with terminal.starts("three", "more"):
        pass
    other.says("four")

@pytest.mark.parametrize(("a", "command"), [("not", "five"), ("this", "six")])
def test_c(a, command):
    terminal.types(command, a)
"""


def test_what_a_module_types_is_read_from_it() -> None:
    assert typed_in(MODULE) == {"one", "two", "three", "five", "six"}


@pytest.mark.parametrize("call", ["terminal.types(COMMANDS[0])", "terminal.types(command)"])
def test_a_command_that_cannot_be_read_is_refused(call: str) -> None:
    with pytest.raises(ValueError, match="line 2: not a command"):
        typed_in(f"def test():\n    {call}\n")


def test_forms_that_nothing_takes_are_refused() -> None:
    assert not accepted(["bild", "VERSION"])
    assert not accepted(["build", "VERSION", "--no-such"])
