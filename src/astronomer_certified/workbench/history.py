"""A series <-> the commits on top of an upstream source: one patch, one commit. In any repository that has the source.

What a commit holds is what the exact application of `series` gives; git only keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from astronomer_certified.artifacts import Offset
from astronomer_certified.errors import SeriesError
from astronomer_certified.patches.application import Overlay
from astronomer_certified.patches.series import Patch

from . import messages
from .fastimport import Changes, Commit, stream
from .repository import CommitTree, Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The commits of a series, one for each patch in order, and the offsets at which hunks applied."""

    base: str
    commits: tuple[str, ...]
    offsets: tuple[Offset, ...]

    @property
    def tip(self) -> str:
        """The last commit: the source with the whole series."""
        return self.commits[-1] if self.commits else self.base


def overlay(repository: Repository, base: str, patches: Sequence[Patch]) -> Overlay:
    """The touched files of a commit, ready for these patches."""
    return Overlay(CommitTree(repository, base, {path for patch in patches for path in patch.touched}))


def write(repository: Repository, base: str, patches: Sequence[Patch], *, against: str, ref: str) -> History:
    """The history of a series, which is made on `ref`. Raises `SeriesError` for a patch that does not apply."""
    tree = overlay(repository, base, patches)
    offsets: list[Offset] = []
    made = []
    for number, patch in enumerate(patches):
        offsets += tree.apply(patch, against=against)
        made.append(
            Commit(
                author=messages.person(patch.fields, patch.name),
                message=messages.message(patch.fields),
                changes=changes(tree, patch),
                # Without a parent a commit follows the one before it in the stream.
                parent=base if number == 0 else None,
            )
        )
    if not made:
        repository.git("update-ref", ref, base)
        return History(base=base, commits=(), offsets=())
    # --force: the ref may be there from another time, and goes to these commits whatever it led to.
    repository.git("fast-import", "--quiet", "--force", stdin=stream(made, ref))
    commits = repository.text("rev-list", "--reverse", f"{base}..{ref}").split("\n")
    if len(commits) != len(made):
        raise SeriesError(f"git made {len(commits)} commits of {len(made)} patches")
    return History(base=base, commits=tuple(commits), offsets=tuple(offsets))


def applicable(repository: Repository, base: str, patches: Sequence[Patch], *, against: str) -> tuple[Patch, ...]:
    """The patches that apply when those that do not are left out."""
    tree = overlay(repository, base, patches)
    found = []
    for patch in patches:
        try:
            tree.apply(patch, against=against)
        except SeriesError:
            continue
        found.append(patch)
    return tuple(found)


def changes(tree: Overlay, patch: Patch) -> Changes:
    """The files that a patch touches, as they are in the tree."""
    found: dict[str, tuple[bytes, bool] | None] = {}
    for path in patch.touched:
        file = tree.file(path)
        found[path] = None if file.lines is None else (b"".join(file.lines), file.executable)
    return found


# One form for every machine; renames are found, copies are not (`diffs` knows none).
_DIFF = ("-r", "-p", "-M", "--no-color", "--no-ext-diff", "--no-textconv", "--unified=3", "--diff-algorithm=myers",
         "--src-prefix=a/", "--dst-prefix=b/", "--binary")  # fmt: skip
_COMMIT_LINE = re.compile(rb"^([0-9a-f]{40})\n", re.MULTILINE)


def diff(repository: Repository, before: str, after: str) -> bytes:
    """The canonical diff between two commits or trees."""
    return repository.git("diff-tree", *_DIFF, before, after)


def diffs_of(repository: Repository, commits: Sequence[str]) -> dict[str, bytes]:
    """The canonical diff of each commit against its parent."""
    asked = "".join(f"{commit}\n" for commit in commits).encode()
    # Every line of a diff begins with a word or a sign, never with an id: what does is git's own heading.
    parts = _COMMIT_LINE.split(repository.git("diff-tree", "--stdin", "--always", *_DIFF, stdin=asked))[1:]
    return {name.decode(): text.lstrip(b"\n") for name, text in zip(parts[::2], parts[1::2], strict=True)}


def moved(repository: Repository, commit: str, moves: Mapping[str, str], *parents: str) -> str:
    """A commit that is that one with folders under other names; what was there under those names is left out.

    For a version that has the same files elsewhere, as 1.10 has those of `airflow/www` in `airflow/www_rbac`.
    """

    def place(path: str) -> str | None:
        for old, new in moves.items():
            if path.startswith(f"{old}/"):
                return f"{new}{path.removeprefix(old)}"
        return None if any(path.startswith(f"{new}/") for new in moves.values()) else path

    lines = [
        f"{entry.mode} {entry.id}\t{target}\0"
        for path, entry in repository.entries(commit).items()
        if (target := place(path)) is not None
    ]
    index = {"GIT_INDEX_FILE": str(repository.git_folder / "moved.index")}
    stream = "".join(lines).encode("utf-8", "surrogateescape")
    # In an index of its own: that of a checkout belongs to the engineer.
    repository.git("read-tree", "--empty", env=index)
    repository.git("update-index", "-z", "--index-info", stdin=stream, env=index)
    tree = repository.git("write-tree", env=index).decode().strip()
    name, address, when = repository.text("show", "-s", "--format=%an%n%ae%n%at", commit).split("\n")
    person = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
              for what, value in (("NAME", name), ("EMAIL", address), ("DATE", f"{when} +0000"))}  # fmt: skip
    message = repository.git("show", "-s", "--format=%B", commit)
    words = [word for parent in parents for word in ("-p", parent)]
    return repository.git("commit-tree", tree, *words, stdin=message, env=person).decode().strip()
