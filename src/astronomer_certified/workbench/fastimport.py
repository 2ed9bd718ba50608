"""Commits -> a stream for `git fast-import`. Pure text; the same commits give the same ids everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# What becomes of a path: its content and whether it is executable, or None where it goes.
Changes = Mapping[str, tuple[bytes, bool] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An author as git knows one, at a moment in seconds since 1970."""

    name: str
    address: str
    when: int

    @property
    def line(self) -> bytes:
        """The person as git writes one: name, address, seconds since 1970, UTC."""
        return f"{self.name} <{self.address}> {self.when} +0000".encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit to be made; `parent` is a ref, an id, or `:1` for the first of the stream."""

    author: Person
    message: str
    changes: Changes
    parent: str | None


def stream(commits: Iterable[Commit], ref: str) -> bytes:
    """The stream that makes these commits on a ref, marked from 1 in their order."""
    # With it git takes a stream that ends without `done` for broken, not for a shorter one.
    parts = [b"feature done\n"]
    for number, commit in enumerate(commits, start=1):
        message = commit.message.encode("utf-8", "surrogateescape")
        parts.append(f"commit {ref}\nmark :{number}\n".encode())
        # The author is the committer, too: the clock and the name of whoever runs this would make other ids.
        parts += [b"author ", commit.author.line, b"\ncommitter ", commit.author.line, b"\n"]
        parts.append(b"data %d\n%s\n" % (len(message), message))
        if commit.parent is not None:
            parts.append(f"from {commit.parent}\n".encode())
        parts += _changes(commit.changes)
        parts.append(b"\n")
    parts.append(b"done\n")
    return b"".join(parts)


def _changes(changes: Changes) -> list[bytes]:
    parts = []
    # Removals first: a folder may take the name of a file that goes.
    for path, change in sorted(changes.items(), key=lambda item: (item[1] is not None, item[0])):
        if change is None:
            parts.append(b"D %s\n" % _quoted(path))
        else:
            content, executable = change
            mode = b"100755" if executable else b"100644"
            parts.append(b"M %s inline %s\ndata %d\n" % (mode, _quoted(path), len(content)))
            parts += [content, b"\n"]
    return parts


def _quoted(path: str) -> bytes:
    raw = path.encode("utf-8", "surrogateescape")
    # git takes a path as it stands, up to the end of the line, unless it begins with a quotation mark.
    if not raw.startswith(b'"') and b"\n" not in raw:
        return raw
    escaped = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'
