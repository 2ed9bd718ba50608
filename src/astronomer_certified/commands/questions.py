"""Options that answer a question about the tool and end it: its version, its completions for a shell.

What they need takes longer to import than a run that has nothing to do: each imports it when somebody asks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SHELLS = ("bash", "zsh", "tcsh")

# By the word that stands for an argument in the usage: which of its values a shell can offer. Versions are the folders
# of patches/ in the project that the user is in at that moment.
_PREAMBLE = {
    "bash": '_certified_versions() { compgen -W "$(cd patches 2>/dev/null && printf "%s " [0-9]*)" -- "$1"; }',
    "zsh": "_certified_versions() { compadd -- patches/[0-9]*(N:t) }",
}
_VERSIONS: Mapping[str, str] = {"bash": "_certified_versions", "zsh": "_certified_versions"}


class Version(argparse.Action):
    """Prints the version of the factory itself, from the metadata of its package."""

    def __init__(self, option_strings: Sequence[str], dest: str, **rest: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **rest)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print name and version on standard output, and end the process with 0."""
        from importlib.metadata import version

        _answer(parser, f"{parser.prog} {version('astronomer-certified-factory')}")


class Completion(argparse.Action):
    """Prints the script with which a shell completes verbs, options, versions, files and folders."""

    def __init__(self, option_strings: Sequence[str], dest: str, **rest: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, choices=SHELLS, **rest)

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, shell: Any, option: str | None = None
    ) -> None:
        """Print the script for shell, one of SHELLS, on standard output, and end the process with 0."""
        import shtab

        known = {"DIR": shtab.DIRECTORY, "FILE": shtab.FILE, "VERSION": _VERSIONS}
        for action in _actions(parser):
            # An argument with choices is completed from these by shtab itself.
            if action.metavar in known and action.choices is None:
                action.complete = known[action.metavar]  # type: ignore[attr-defined]  # shtab's own attribute
        _answer(parser, shtab.complete(parser, shell, preamble=_PREAMBLE.get(shell, "")))


def _answer(parser: argparse.ArgumentParser, text: str) -> None:
    """Printed as argparse prints a help: what stdout does not take is the business of whoever ends the program."""
    parser._print_message(f"{text}\n", sys.stdout)
    parser.exit()


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every option and argument of a parser and of the verbs below it."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for verb in dict.fromkeys(action.choices.values()):
                yield from _actions(verb)
