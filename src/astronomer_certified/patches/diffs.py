"""Unified diffs as `git diff` and `diff -u` write them: text -> records, and exact application to lines.

No fuzz: every context and removed line must be found letter for letter. Pure functions; touches no file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NO_NEWLINE = b"\\ No newline at end of file"
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"v": b"\v", b"f": b"\f"}
# What git and quilt write between the first line of a file's diff and its `---` line.
_HEADER = re.compile(
    rb"(old mode|new mode|new file mode|deleted file mode|rename from|rename to|copy from|copy to|similarity index"
    rb"|dissimilarity index|index|GIT binary patch|Binary files|=+$|\s*$)"
)


class MalformedDiff(ValueError):
    """The text is not a unified diff; `args[0]` says why, with the line number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One hunk: lines with their endings, before and after; `old_start` counts from 1 (0 for an empty file).

    `leading` and `trailing` count its context lines before the first and after the last change.
    """

    old_start: int
    old: tuple[bytes, ...]
    new: tuple[bytes, ...]
    leading: int
    trailing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """What a patch does to one file. `old` is None for a new file, `new` is None for a deleted one."""

    old: str | None
    new: str | None
    hunks: tuple[Hunk, ...]
    new_mode: int | None

    @property
    def path(self) -> str:
        """The file's path after the patch, or before it if it is gone then."""
        path = self.new if self.new is not None else self.old
        assert path is not None  # the parser makes no record without a name
        return path


def _unquoted(name: bytes) -> bytes:
    """A file name as git writes it: in double quotes with C escapes when it has odd bytes."""
    quoted = _QUOTED.match(name)  # a tab may follow it
    if quoted is None:
        return name

    def meant(escape: re.Match[bytes]) -> bytes:
        word = escape.group(1)
        return bytes([int(word, 8) & 0xFF]) if len(word) == 3 else _ESCAPES.get(word, word)

    return _ESCAPE.sub(meant, quoted.group(1))


def _name(raw: bytes, number: int) -> str | None:
    """The path of a `---`/`+++` line without its first component (-p1); None for /dev/null."""
    raw = raw.rstrip(b"\r\n")
    # Behind a tab `diff -u` writes a time, and git nothing: it only ends a name with blanks in it.
    name = _unquoted(raw if raw.startswith(b'"') else raw.split(b"\t")[0])
    if name == b"/dev/null":
        return None
    path = name.partition(b"/")[2].decode("utf-8", "surrogateescape")
    return checked_path(path, number)


def checked_path(path: str, number: int) -> str:
    """`path` itself. Raises `MalformedDiff` when it is empty, absolute or leads out of the tree."""
    if not path or path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise MalformedDiff(f"line {number}: path {path!r} leads out of the source tree")
    return path


class _Lines:
    """A cursor over the lines of a patch."""

    def __init__(self, text: bytes) -> None:
        # bytes.splitlines is faster, but it also splits at a CR.
        self.lines = text.splitlines(keepends=True) if b"\r" not in text else _split_lf(text)
        self.at = 0

    def peek(self) -> bytes | None:
        return self.lines[self.at] if self.at < len(self.lines) else None

    def take(self) -> bytes:
        line = self.lines[self.at]
        self.at += 1
        return line


def _split_lf(text: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n|[^\n]+$", text)


def split_lines(content: bytes) -> list[bytes]:
    """Lines with their endings, split at LF only: a CR is part of its line, as for git."""
    return _split_lf(content)


def parse(text: bytes) -> tuple[bytes, tuple[FileDiff, ...]]:
    """The header before the first diff, and the diffs. Raises `MalformedDiff`."""
    lines = _Lines(text)
    header: list[bytes] = []
    while (line := lines.peek()) is not None and not _starts_file(lines, line):
        header.append(lines.take())
    diffs: list[FileDiff] = []
    while lines.peek() is not None:
        diffs.append(_file(lines))
    return b"".join(header), tuple(diffs)


def _starts_file(lines: _Lines, line: bytes) -> bool:
    if line.startswith((b"diff --git ", b"Index: ")):
        return True
    # `--- ` alone may be text of the header.
    following = lines.lines[lines.at + 1] if lines.at + 1 < len(lines.lines) else b""
    return line.startswith(b"--- ") and following.startswith(b"+++ ")


def _git_names(line: bytes, number: int) -> tuple[str, str]:
    """Both paths of a `diff --git a/X b/X` line; only used where no ---/+++ lines follow (empty files, modes)."""
    rest = line[len(b"diff --git ") :].rstrip(b"\n")
    if rest.startswith(b'"'):
        quoted = re.fullmatch(rb'("(?:[^"\\]|\\.)*") ("(?:[^"\\]|\\.)*"|.*)', rest)
        parts = quoted.groups() if quoted else ()
    else:
        # Both names are the same here, so the middle is between them, whatever blanks they hold.
        half = len(rest) // 2
        parts = (rest[:half], rest[half + 1 :])
    names = [_name(part, number) for part in parts]
    if len(names) != 2 or names[0] is None or names[1] is None or names[0] != names[1]:
        raise MalformedDiff(f"line {number}: cannot read the file names of {rest!r}")
    return names[0], names[1]


@dataclass(slots=True)
class _Extended:
    """What git's lines before `---` say of a file; `number` is the first line of its diff, from 1."""

    number: int
    first: bytes = b""
    created: bool = False
    deleted: bool = False
    new_mode: int | None = None
    renamed: dict[str, str] = field(default_factory=dict)

    @property
    def says_something(self) -> bool:
        """Whether the file changes even without a hunk."""
        return self.created or self.deleted or bool(self.renamed) or self.new_mode is not None


def _file(lines: _Lines) -> FileDiff:
    extended = _extended(lines)
    old, new = _names(lines, extended)
    if old is None and new is None:
        raise MalformedDiff(f"line {extended.number}: a diff from nothing to nothing")
    hunks = []
    while (line := lines.peek()) is not None and line.startswith(b"@@ "):
        hunks.append(_hunk(lines))
    _skip_to_next_file(lines)
    if not hunks and not extended.says_something:
        raise MalformedDiff(f"line {extended.number}: a diff without a hunk changes nothing")
    return FileDiff(old=old, new=new, hunks=tuple(hunks), new_mode=extended.new_mode)


def _extended(lines: _Lines) -> _Extended:
    found = _Extended(number=lines.at + 1)
    line = lines.peek() or b""
    if not line.startswith((b"diff --git ", b"Index: ")):
        return found
    found.first = lines.take()
    while (line := lines.peek() or b"") and not line.startswith((b"--- ", b"diff --git ", b"Index: ")):
        if not _HEADER.match(line) and not _is_mail_footer(lines):
            raise MalformedDiff(f"line {lines.at + 1}: not a line of a diff's header: {line[:60]!r}")
        lines.take()
        _note(found, line.rstrip(b"\n"), lines.at)
    if found.new_mode not in (None, 0o100644, 0o100755):
        raise MalformedDiff(f"line {found.number}: mode {found.new_mode:o} is neither a plain nor an executable file")
    return found


def _note(found: _Extended, line: bytes, number: int) -> None:
    """What one line of the extended header says is noted. Raises `MalformedDiff` for what no reviewer can read."""
    word, _, rest = line.partition(b" mode ")
    if word in (b"new file", b"new"):
        found.created = found.created or word == b"new file"
        found.new_mode = _mode(rest, number)
    elif word == b"deleted file":
        found.deleted = True
    elif line.startswith((b"rename from ", b"rename to ", b"copy from ", b"copy to ")):
        # The name itself may hold " from " or " to ".
        verb, side, name = line.split(b" ", 2)
        found.renamed[side.decode()] = checked_path(_unquoted(name).decode("utf-8", "surrogateescape"), number)
        if verb == b"copy":
            raise MalformedDiff(f"line {number}: copies are not supported; add the file as new")
    elif line.startswith((b"GIT binary patch", b"Binary files ")):
        raise MalformedDiff(f"line {number}: binary change, which no reviewer can read")


def _names(lines: _Lines, extended: _Extended) -> tuple[str | None, str | None]:
    """The paths before and after; None on the side where there is no file."""
    line = lines.peek() or b""
    if line.startswith(b"--- "):
        return _stated_names(lines, extended)
    if extended.renamed:
        old, new = extended.renamed.get("from"), extended.renamed.get("to")
        if old is None or new is None:
            raise MalformedDiff(f"line {extended.number}: half a rename")
        return old, new
    name, _ = _git_names(extended.first, extended.number)
    return None if extended.created else name, None if extended.deleted else name


def _stated_names(lines: _Lines, extended: _Extended) -> tuple[str | None, str | None]:
    """The paths of the `---` and `+++` lines."""
    old = _name(lines.take()[4:], lines.at)
    if not (lines.peek() or b"").startswith(b"+++ "):
        raise MalformedDiff(f"line {lines.at}: '---' without a '+++' line after it")
    new = _name(lines.take()[4:], lines.at)
    if None not in (old, new) and old != new and not extended.renamed:
        raise MalformedDiff(f"line {lines.at}: names {old!r} and {new!r}, but no rename")
    return old, new


def _skip_to_next_file(lines: _Lines) -> None:
    """What stands between two diffs is passed over; only blank lines and the end of a mail may."""
    while (line := lines.peek()) is not None and not _starts_file(lines, line):
        if line.strip() and not _is_mail_footer(lines):
            raise MalformedDiff(f"line {lines.at + 1}: text that belongs to no hunk: {line[:60]!r}")
        lines.take()


def _mode(word: bytes, number: int) -> int:
    if not re.fullmatch(rb"[0-7]{6}\r?", word):
        raise MalformedDiff(f"line {number}: not a mode: {word.decode('utf-8', 'backslashreplace')!r}")
    return int(word, 8)


def _is_mail_footer(lines: _Lines) -> bool:
    """`git format-patch` ends a mail with "-- " and git's version."""
    # The line itself, the version below it, and the empty line at the end.
    return b"-- \n" in lines.lines[max(0, lines.at - 2) : lines.at + 1]


@dataclass(slots=True)
class _HunkLines:
    """The lines of a hunk as they are read, and how much context stands before and after its changes."""

    old: list[bytes] = field(default_factory=list)
    new: list[bytes] = field(default_factory=list)
    leading: int = 0
    trailing: int = 0
    changed: bool = False

    def add(self, line: bytes, number: int) -> None:
        """One line of the patch. Raises `MalformedDiff` for what is neither context, removal nor addition."""
        # Some editors strip the blank of an empty context line.
        is_context, body = line.startswith((b" ", b"\n")), line[1:] or line
        self.changed = self.changed or not is_context
        self.leading += not self.changed
        self.trailing = self.trailing + 1 if is_context else 0
        sides = self._sides(line[:1])
        if not sides:
            if line.startswith(_NO_NEWLINE):
                raise MalformedDiff(f"line {number}: stray {_NO_NEWLINE.decode()!r}")
            raise MalformedDiff(f"line {number}: neither context, removal nor addition: {line[:60]!r}")
        for side in sides:
            side.append(body)

    def end_without_newline(self, line: bytes) -> None:
        """The line that was added last has no newline at its end."""
        for side in self._sides(line[:1].strip(b"\n")):
            side[-1] = side[-1].removesuffix(b"\n")

    def _sides(self, sign: bytes) -> tuple[list[bytes], ...]:
        return {b" ": (self.old, self.new), b"\n": (self.old, self.new), b"-": (self.old,), b"+": (self.new,)}.get(
            sign, ()
        )


def _hunk(lines: _Lines) -> Hunk:
    number = lines.at + 1
    match = _HUNK.match(lines.take())
    if match is None:
        raise MalformedDiff(f"line {number}: not a hunk header")
    # A count that is left out is 1.
    old_count, new_count = int(match.group(2) or 1), int(match.group(4) or 1)
    read = _HunkLines()
    # By the counts of its header: a removed line `-- x` looks like the beginning of the next file.
    while len(read.old) < old_count or len(read.new) < new_count:
        if lines.peek() is None:
            raise MalformedDiff(f"line {number}: the hunk ends before its {old_count} old and {new_count} new lines")
        line = lines.take()
        if not line.endswith(b"\n"):
            raise MalformedDiff(f"line {lines.at}: the patch ends in the middle of a line")
        read.add(line, lines.at)
        # Not the words behind it, which diff says in its user's language.
        if (lines.peek() or b"").startswith(b"\\ "):
            lines.take()
            read.end_without_newline(line)
    if (len(read.old), len(read.new)) != (old_count, new_count):
        raise MalformedDiff(
            f"line {number}: the hunk has {len(read.old)} old and {len(read.new)} new lines, not as its header says"
        )
    if any(not line.endswith(b"\n") for line in (*read.old[:-1], *read.new[:-1])):
        raise MalformedDiff(f"line {number}: a line without a newline that is not the last")
    return Hunk(
        old_start=int(match.group(1)), old=tuple(read.old), new=tuple(read.new),
        leading=read.leading, trailing=read.trailing,
    )  # fmt: skip
