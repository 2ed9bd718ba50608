"""What the documentation says can be typed, which tests type it, and the terminal in which they do.

CONTRIBUTING.md has the rules: a command is typed by a test, or is a form with a placeholder, or its page says that it
is an example or done by hand. unit/test_documented.py holds them. There is no list of what is run elsewhere.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
ENDS_WITHIN = 1500
"""Seconds that a command may take."""

# What a command begins with; git only in blocks, where it is part of what a reader types in turn.
_INLINE = re.compile(r"(?:\.venv/bin/)?(?:make|certified|pip|twine|pytest|pre-commit|astronomer-certified) \S")
_BLOCK = re.compile(rf"{_INLINE.pattern}|git \S")
_CODE = re.compile(r"`([^`\n]+)`")
_MARK = re.compile(r"(?:for example|by hand)[,:]?\s*$", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"…|[A-Z]{2,}(?:=[A-Z]{2,})?")


# --- pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of a page. `marked`: the page says that it is an example, or done by hand."""

    text: str
    page: str
    marked: bool

    @property
    def is_form(self) -> bool:
        """Whether it holds a placeholder: something that must be put in its place before it can be typed."""
        return any(_PLACEHOLDER.fullmatch(word) for word in self.text.split())


def commands_of(page: str, text: str) -> Iterator[Command]:
    """The commands of a page: lines of indented blocks, and inline code."""
    above, marked, in_block = "", False, False
    for line in text.splitlines():
        indented = line.startswith("    ")
        if indented and not in_block:
            marked = _MARK.search(above) is not None
        in_block = indented or (in_block and not line.strip())
        if line.strip() and not indented:
            above = line
        if indented and _BLOCK.match(line.strip()):
            yield Command(text=line.strip(), page=page, marked=marked)
    for code in _CODE.finditer(text):
        if _INLINE.match(code[1]):
            yield Command(text=code[1], page=page, marked=_MARK.search(text[: code.start()]) is not None)


@cache
def documented() -> tuple[Command, ...]:
    """Every command of the documentation; one that stands in several places comes several times."""
    paths = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    paths += sorted((ROOT / "docs").rglob("*.md"))
    return tuple(
        command
        for path in paths
        for command in commands_of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    )


# --- tests that type


def typed_in(source: str) -> frozenset[str]:
    """The commands that the functions of a test module type: `terminal.types("…")`, `terminal.starts("…")`.

    A command that is a parameter stands in the list that the test is parametrized with. Raises ValueError for one that
    is neither.
    """
    found: set[str] = set()
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        parameters = dict(_parameters(function))
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in TYPING:
                match call.args[0]:
                    case ast.Constant(value=str() as command):
                        found.add(command)
                    case ast.Name(id=name) if name in parameters:
                        found |= parameters[name]
                    case other:
                        raise ValueError(
                            f"line {call.lineno}: not a command that can be read here: {ast.unparse(other)}"
                        )
    return frozenset(found)


def _parameters(function: ast.FunctionDef) -> Iterator[tuple[str, frozenset[str]]]:
    """The strings that a test is parametrized with, by the name of the parameter."""
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(
                func=ast.Attribute(attr="parametrize"), args=[ast.Constant(value=str() as name), ast.List(elts)]
            ):
                yield name, _strings(elts)
            case ast.Call(func=ast.Attribute(attr="parametrize"), args=[ast.Tuple(elts=names), ast.List(elts)]):
                columns = zip(*(item.elts for item in elts if isinstance(item, ast.Tuple)), strict=False)
                yield from (
                    (ast.literal_eval(name), _strings(column)) for name, column in zip(names, columns, strict=False)
                )


def _strings(items: Iterable[ast.expr]) -> frozenset[str]:
    return frozenset(item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str))


@cache
def typed() -> Mapping[str, str]:
    """The commands that tests type, each with the test module that does it."""
    return {
        command: path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for command in typed_in(path.read_text(encoding="utf-8"))
    }


@cache
def run_on_submission() -> frozenset[str]:
    """What `.ci/run` makes: the targets that its lines name, and those that these make in turn."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    ahead = [target for line in lines if line.startswith("make ") for target in line.split(" || ")[0].split()[1:]]
    found = {f"make {target}" for target in ahead}
    while ahead:
        target = re.search(rf"^{ahead.pop()}:([^#\n]*)[^\n]*\n((?:\t[^\n]*\n)*)", makefile, re.MULTILINE)
        named = [*target[1].split(), *re.findall(r"\$\(MAKE\) ([a-z-]+)", target[2])] if target else []
        more = {f"make {name}" for name in named if re.fullmatch(r"[a-z-]+", name)} - found
        found |= more
        ahead += [command.removeprefix("make ") for command in more]
    return frozenset(found)


# --- the terminal

TYPING = ("types", "starts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """A shell in a folder, in which a test types what the documentation says.

    `instead` has what stands in the documentation -> what is there here: a version, an address. `programs` are found
    before those of the environment: by default the tool's own.
    """

    folder: Path
    env: Mapping[str, str]
    instead: Mapping[str, str] = field(default_factory=dict)
    programs: Path = BIN

    def types(
        self, command: str, *more: str, stdin: str = "", statuses: tuple[int, ...] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        """What came of the command; `more` are further words, as they are typed."""
        done = subprocess.run(
            self._line(command, more), shell=True, cwd=self.folder, env=self._environment(), input=stdin,
            capture_output=True, text=True, timeout=ENDS_WITHIN, check=False,
        )  # fmt: skip
        assert done.returncode in statuses, f"{done.args}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    @contextmanager
    def starts(self, command: str, *more: str) -> Iterator[subprocess.Popen[str]]:
        """The command while it runs; at the end it is told to end, with all that it started."""
        process = subprocess.Popen(
            self._line(command, more), shell=True, cwd=self.folder, env=self._environment(), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(40)

    def _line(self, command: str, more: tuple[str, ...]) -> str:
        if all(known.text != command for known in documented()):
            raise LookupError(f"it is not in the documentation: {command}")
        for known, here in self.instead.items():
            command = command.replace(known, here)
        return " ".join((command, *more))

    def _environment(self) -> dict[str, str]:
        return {**self.env, "PATH": f"{self.programs}:{self.env['PATH']}"}


def make_here(folder: Path) -> None:
    """`make` works in the folder with the environment of this test: nothing is installed for it."""
    for name in ("requirements/dev.txt", "setup.cfg", "pyproject.toml", "Makefile"):
        if not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for program in ("certified", "pytest", "ruff", "mypy", "lint-imports", "pre-commit"):
        (programs / program).symlink_to(BIN / program)
    # Python looks for its environment beside the path that it was called by.
    (programs / "python").write_text(f'#!/bin/sh\nexec {BIN / "python"} "$@"\n')
    (programs / "python").chmod(0o755)
    (folder / ".venv" / "ready").touch()


def repository_copy(folder: Path) -> Path:
    """A copy of what is committed or about to be, in which `make` works."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    make_here(folder)
    return folder
