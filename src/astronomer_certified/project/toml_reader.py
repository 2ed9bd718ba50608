"""A TOML file that a human wrote -> typed values, with every problem collected: line, key, nearest known key.

Reading goes on after a problem with a stand-in value, so that one run names all of them; `finish` raises.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from astronomer_certified.errors import ManifestError

T = TypeVar("T")

_HEADER = re.compile(r"^\s*\[(\[)?\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"^\s*(\"[^\"]+\"|'[^']+'|[A-Za-z0-9_-]+)\s*=")
_SHA256 = re.compile(r"[0-9a-f]{64}")


# tomllib says where TOML is malformed, but not where a key stands: that is read from the text a second time, by
# patterns which need not know all of TOML, as a wrong guess costs a line number and nothing else.


def _lines_of_keys(text: str) -> dict[str, int]:
    """Line number (from 1) of every `[table]` header and `key =` line, by dotted path (`[[x]]` counts as `x.0`, …)."""
    lines: dict[str, int] = {}
    arrays: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = header.group(2)
            if header.group(1):
                lines.setdefault(table, number)
                arrays[table] = arrays.get(table, -1) + 1
                table = f"{table}.{arrays[table]}"
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            name = key.group(1).strip("\"'")
            lines.setdefault(f"{table}.{name}" if table else name, number)
    return lines


class Problems:
    """The problems of one file, in the order of its lines."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._lines = _lines_of_keys(text)
        self._found: list[tuple[int, str]] = []

    def line(self, key: str) -> int:
        """The line of `key`, or of the nearest table around it that has one; 1 for the file as a whole."""
        while key:
            if key in self._lines:
                return self._lines[key]
            key = key.rpartition(".")[0]
        return 1

    def add(self, key: str, message: str) -> None:
        """One more problem, of that key."""
        self._found.append((self.line(key), f"{key or 'file'}: {message}"))

    def finish(self) -> None:
        """Raises `ManifestError` with all problems, if there is one."""
        if self._found:
            found = sorted(self._found)
            noun = "problem" if len(found) == 1 else "problems"
            raise ManifestError(
                f"{self.path}: {len(found)} {noun}",
                details=[f"line {number}: {message}" for number, message in found],
                hint="docs/release-toml.md lists every key",
            )


class Table:
    """One table of the file. Every key that is asked for is known; what is left over at `close` is a problem."""

    def __init__(self, values: Mapping[str, Any], problems: Problems, prefix: str = "") -> None:
        self._values = values
        self._prefix = prefix
        self._known: list[str] = []
        self.problems = problems

    def key(self, name: str) -> str:
        """The full name of a key of this table, with dots."""
        return f"{self._prefix}.{name}" if self._prefix else name

    def problem(self, name: str, message: str) -> None:
        """One more problem, of a key of this table."""
        self.problems.add(self.key(name), message)

    def get(self, name: str, parse: Callable[[Any], T], *, default: T, optional: bool = False) -> T:
        """The parsed value; `default` after a problem: a missing key (unless optional) or a ValueError of `parse`."""
        self._known.append(name)
        if name not in self._values:
            if not optional:
                self.problem(name, "missing")
            return default
        try:
            return parse(self._values[name])
        except ValueError as err:
            self.problem(name, str(err))
            return default

    def each(
        self, name: str, parse: Callable[[Any], T], *, optional: bool = False, filled: bool = False
    ) -> tuple[T, ...]:
        """The parsed items of an array; every bad item is a problem of its own and left out.

        Empty after a problem with the array itself; one that must be `filled` and is not is a problem, too.
        """
        items: list[Any] = self.get(name, _array, default=[], optional=optional)
        if self._values.get(name) == [] and filled:
            self.problem(name, "must name at least one")
        parsed = []
        for item in items:
            try:
                parsed.append(parse(item))
            except ValueError as err:
                self.problem(name, str(err))
        return tuple(parsed)

    def table(self, name: str, *, optional: bool = False) -> Table:
        """A sub-table; an empty one where it is missing."""
        # By its problem: an optional table that is missing has none, and is empty.
        before = len(self.problems._found)
        values: dict[str, Any] = self.get(name, _mapping, default={}, optional=optional)
        absent = len(self.problems._found) > before
        return (
            _Absent(values, self.problems, self.key(name)) if absent else Table(values, self.problems, self.key(name))
        )

    def tables(self, name: str) -> Iterator[Table]:
        """The tables of `[[name]]`, closed for the caller after each."""
        entries: list[dict[str, Any]] = self.get(name, _array_of_mappings, default=[], optional=True)
        for number, values in enumerate(entries):
            table = Table(values, self.problems, f"{self.key(name)}.{number}")
            yield table
            table.close()

    def items(self, parse: Callable[[Any], T]) -> Iterator[tuple[str, T]]:
        """Every key of a table whose keys are free, with its parsed value."""
        for name in self._values:
            self._known.append(name)
            try:
                yield name, parse(self._values[name])
            except ValueError as err:
                self.problem(name, str(err))

    def names(self) -> tuple[str, ...]:
        """The keys that are there, known or not."""
        return tuple(self._values)

    def close(self) -> None:
        """Keys that nobody asked for are problems, with the nearest key that is known."""
        for name in self._values:
            if name in self._known:
                continue
            # A key that is not there is likelier to be meant than one that is.
            free = [known for known in self._known if known not in self._values]
            near = difflib.get_close_matches(name, free, n=1) or difflib.get_close_matches(name, self._known, n=1)
            self.problem(name, f"unknown key{f', did you mean {near[0]!r}?' if near else ''}")


class _Absent(Table):
    """A table that is missing: its own absence is the problem, not that of each of its keys."""

    def get(self, name: str, parse: Callable[[Any], T], *, default: T, optional: bool = False) -> T:
        return default


def load(path: Path) -> Table:
    """The top table of a TOML file. Raises `ManifestError` when there is no file or it is not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as err:
        raise ManifestError(f"{path}: no such file", hint="patches/ has one folder for each version there is") from err
    except UnicodeDecodeError as err:
        raise ManifestError(f"{path}: not UTF-8: {err.reason} at byte {err.start}") from err
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        raise ManifestError(f"{path}: not valid TOML", details=[str(err)]) from err
    return Table(values, Problems(path, text))


def text(value: Any) -> str:
    """A string that is not empty. Raises ValueError."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be a non-empty string, not {value!r}")
    return value


def positive(value: Any) -> int:
    """A whole number from 1. Raises ValueError."""
    # `True` is an int for Python.
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"must be a whole number from 1, not {value!r}")
    return value


def score(value: Any) -> float:
    """A CVSS base score. Raises ValueError."""
    # `True` is an int for Python.
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 10:
        raise ValueError(f"must be a CVSS base score from 0 to 10, not {value!r}")
    return float(value)


def boolean(value: Any) -> bool:
    """true or false. Raises ValueError."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")
    return value


def sha256(value: Any) -> str:
    """64 lower-case hex digits. Raises ValueError."""
    if not _SHA256.fullmatch(text(value)):
        raise ValueError(f"must be 64 lower-case hex digits, not {value!r}")
    return text(value)


def moment(value: Any) -> datetime:
    """A date and time with an offset, in UTC. Raises ValueError."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"must be a date and time in UTC, like 2021-05-28T00:00:00Z, not {value!r}")
    return value.astimezone(UTC)


def inner_path(value: Any) -> str:
    """A relative path that stays below its root. Raises ValueError."""
    parts = text(value).split("/")
    if value.startswith("/") or ".." in parts or "" in parts or "\\" in value:
        raise ValueError(f"must be a relative path without '..', not {value!r}")
    return text(value)


def file_name(value: Any) -> str:
    """A plain file name. Raises ValueError."""
    if "/" in inner_path(value):
        raise ValueError(f"must be a file name without folders, not {value!r}")
    return text(value)


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"must be an array, not {value!r}")
    return value


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"must be a table, not {value!r}")
    return value


def _array_of_mappings(value: Any) -> list[dict[str, Any]]:
    return [_mapping(item) for item in _array(value)]
