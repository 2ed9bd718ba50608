"""Hunks + the lines of a file -> its lines after them, each hunk at its place to the letter, or refused with a reason.

No fuzz: every context and removed line must be found letter for letter. Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence

from .diffs import Hunk


class HunkRefused(ValueError):
    """A hunk does not apply; carries where, and both texts at the first line that differs."""

    def __init__(
        self, hunk: int, line: int, why: str, expected: bytes | None = None, found: bytes | None = None
    ) -> None:
        super().__init__(why)
        self.hunk = hunk
        self.line = line
        self.why = why
        self.expected = expected
        self.found = found


def apply(content: Sequence[bytes], hunks: Sequence[Hunk]) -> tuple[list[bytes], list[tuple[int, int, int]]]:
    """The lines after all hunks, and (hunk number, expected line, found line) of each that applied at an offset.

    A hunk is looked for where its header says, after what the hunks before it shifted; failing that, anywhere behind
    them, and only a single place will do. Raises `HunkRefused`.
    """
    result: list[bytes] = []
    offsets: list[tuple[int, int, int]] = []
    done = 0
    drift = 0
    for number, hunk in enumerate(hunks, start=1):
        # A hunk without old lines is an insertion after line `old_start`, not before it.
        stated = hunk.old_start - 1 if hunk.old else hunk.old_start
        at = stated + drift
        if not _matches(content, at, hunk.old, done):
            at = _elsewhere(content, hunk, number, done, at)
            offsets.append((number, stated + 1, at + 1))
            drift = at - stated
        _check_ends(content, hunk, number, at)
        result.extend(content[done:at])
        result.extend(hunk.new)
        done = at + len(hunk.old)
    result.extend(content[done:])
    return result, offsets


_NO_NEWLINE = "its text is there, but not at the end of the file, where a last line without a newline belongs"
_UNEVEN = (  # GNU patch takes such a hunk for one of that end, too
    "its text is there, but not at the {2} of the file, where a hunk was made that has less context {0} than {1}"
)


def _check_ends(content: Sequence[bytes], hunk: Hunk, number: int, at: int) -> None:
    """A hunk with less context on one side was made at that end of the file and fits nowhere else."""
    # Nothing but its number would say where it belongs.
    if not hunk.old and content:
        raise HunkRefused(number, at + 1, "it has no context, and the file is not empty")
    if hunk.leading < hunk.trailing and at != 0:
        raise HunkRefused(number, at + 1, _UNEVEN.format("before its first change", "after its last", "beginning"))
    # Text without a newline at its end would swallow the next line.
    ends_file = hunk.trailing < hunk.leading or any(not line.endswith(b"\n") for line in hunk.new)
    if ends_file and at + len(hunk.old) != len(content):
        uneven = _UNEVEN.format("after its last change", "before its first", "end")
        raise HunkRefused(number, at + 1, uneven if hunk.trailing < hunk.leading else _NO_NEWLINE)


def _matches(content: Sequence[bytes], at: int, old: Sequence[bytes], done: int) -> bool:
    # Before `done`, the lines belong to the hunk before it.
    if at < done or at + len(old) > len(content):
        return False
    return all(content[at + i] == line for i, line in enumerate(old))


def _elsewhere(content: Sequence[bytes], hunk: Hunk, number: int, done: int, stated: int) -> int:
    places = []
    if hunk.old:
        last = len(content) - len(hunk.old)
        places = [at for at in range(done, last + 1) if _matches(content, at, hunk.old, done)]
    if len(places) == 1:
        return places[0]
    if places:
        lines = ", ".join(str(at + 1) for at in places[:5])
        raise HunkRefused(number, stated + 1, f"its text stands at several places (lines {lines})")
    for i, line in enumerate(hunk.old):
        found = content[stated + i] if 0 <= stated + i < len(content) else None
        if found != line:
            only_ends = found is not None and found.rstrip(b"\r\n") == line.rstrip(b"\r\n")
            why = "only the line ends differ (CRLF against LF)" if only_ends else "text differs"
            raise HunkRefused(number, stated + i + 1, why, line, found)
    raise HunkRefused(number, stated + 1, "it overlaps the hunk before it, or the file is too short")
