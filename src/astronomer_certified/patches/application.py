"""Upstream source + patches -> PatchedTree. Writes one folder, whole or not at all; exact, as `diffs` says."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from astronomer_certified.artifacts import Distribution, Offset, PatchedTree, Stamp, UpstreamFile
from astronomer_certified.effects.disk import atomic_folder
from astronomer_certified.errors import SeriesError
from astronomer_certified.source.kinds import KINDS

from . import diffs, hunks
from .diffs import FileDiff
from .hunks import HunkRefused
from .series import Patch

_CREATED_MODE = 0o100755


def apply(distribution: Distribution, source: UpstreamFile, patches: tuple[Patch, ...], target: Path) -> PatchedTree:
    """`target` becomes the unpacked source with every patch applied and the version stamped.

    Raises `SeriesError` or `ArchiveError`, and leaves `target` as it was.
    """
    with atomic_folder(target) as beside:
        # Relative: the folder has its final name only when the block has ended.
        inner = KINDS[distribution.kind].unpack(source.path, beside).relative_to(beside)
        offsets = apply_to_folder(
            beside / inner, patches, against=f"{distribution.name} {distribution.release.upstream}"
        )
        if distribution.stamp is not None:
            _stamp(beside / inner, distribution.stamp, distribution)
    return PatchedTree(
        path=target / inner,
        applied=tuple(patch.name for patch in patches),
        touched=frozenset(path for patch in patches for path in patch.touched),
        offsets=offsets,
    )


@dataclass(slots=True)
class File:
    """A file while the series goes over it: its lines, or None when it is absent."""

    lines: list[bytes] | None
    executable: bool


class Tree(Protocol):
    """A source tree that is only read."""

    def read(self, path: str) -> tuple[bytes, bool] | None:
        """A file's content and whether it is executable; None where there is no file."""

    def below(self, path: str) -> Iterable[str]:
        """The paths of the files below a folder; none where there is no folder."""


class FolderTree:
    """A tree on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str) -> tuple[bytes, bool] | None:
        """A file of the folder; see `Tree`."""
        real = self._folder / path
        return (real.read_bytes(), bool(real.stat().st_mode & 0o100)) if real.is_file() else None

    def below(self, path: str) -> Iterable[str]:
        """The paths of what is below a folder of it and is no folder itself; see `Tree`."""
        inside = self._folder / path
        return [item.relative_to(self._folder).as_posix() for item in inside.rglob("*") if not item.is_dir()]


class Overlay:
    """The touched files of a tree, in memory: each patch that applied is in it, one that did not leaves no trace."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._files: dict[str, File] = {}

    def file(self, path: str) -> File:
        """The file as it is now; its `lines` are None where there is none."""
        if path not in self._files:
            found = self._tree.read(path)
            if found is None:
                self._files[path] = File(lines=None, executable=False)
            else:
                self._files[path] = File(lines=diffs.split_lines(found[0]), executable=found[1])
        return self._files[path]

    def obstacle(self, path: str, without: str | None = None) -> str | None:
        """What keeps a new file from being at `path`, when the file `without` is gone; None if nothing does."""
        here = {name for name, file in self._files.items() if file.lines is not None and name.startswith(f"{path}/")}
        if here - {without} or any(name not in self._files for name in self._tree.below(path)):
            return "a folder is there"
        for parent in PurePosixPath(path).parents:
            if str(parent) == without:
                continue
            known = self._files.get(str(parent))
            if known.lines is not None if known else self._tree.read(str(parent)) is not None:
                return f"{parent} is no folder"
        return None

    def apply(self, patch: Patch, *, against: str) -> tuple[Offset, ...]:
        """The offsets at which its hunks applied. Raises `SeriesError`; then nothing changed."""
        # Copies of the records are enough: their lists of lines are replaced, never changed in place.
        before = {path: replace(self.file(path)) for path in patch.touched}
        try:
            return tuple(
                Offset(patch=patch.name, file=file.path, hunk=hunk, expected_line=expected, found_line=found)
                # Removals first: a file may take the name of a folder that goes with its files.
                for file in sorted(patch.files, key=lambda item: item.new is not None)
                for hunk, expected, found in _apply_file(self, patch, file, against)
            )
        except SeriesError:
            self._files.update(before)
            raise

    def write(self, folder: Path) -> None:
        """The files below `folder` are as they are here."""
        # Removals first: a new folder may take the name of a file that is gone, and the other way round.
        for path, file in sorted(self._files.items(), key=lambda item: item[1].lines is not None):
            real = folder / path
            if file.lines is None:
                real.unlink(missing_ok=True)
            else:
                real.parent.mkdir(parents=True, exist_ok=True)
                if real.is_dir():
                    shutil.rmtree(real)  # `obstacle` saw to it that no file is left in it
                real.write_bytes(b"".join(file.lines))
                # The executable bit is all that a patch can say of a mode, as in git.
                real.chmod(0o755 if file.executable else 0o644)


def apply_to_folder(folder: Path, patches: tuple[Patch, ...], *, against: str) -> tuple[Offset, ...]:
    """The offsets at which hunks applied; `folder` is changed only after every patch applied. Raises `SeriesError`."""
    overlay = Overlay(FolderTree(folder))
    offsets = [offset for patch in patches for offset in overlay.apply(patch, against=against)]
    overlay.write(folder)
    return tuple(offsets)


def _apply_file(overlay: Overlay, patch: Patch, file: FileDiff, against: str) -> list[tuple[int, int, int]]:
    """The offsets of a file's hunks, as `hunks.apply` gives them; the file is as the patch wants it."""

    def refuse(*details: str) -> SeriesError:
        return SeriesError(
            f"{patch.name} does not apply to {against}",
            details=details,
            hint="rebase the patch on the source as it is now; its context must match letter for letter",
        )

    if problem := _in_the_way(overlay, file):
        raise refuse(problem)
    before = overlay.file(file.old) if file.old is not None else File(lines=[], executable=False)
    try:
        after, offsets = hunks.apply(before.lines or [], file.hunks)
    except HunkRefused as err:
        details = [f"{file.path}, hunk {err.hunk} at line {err.line}: {err.why}"]
        if err.expected is not None:
            details += [f"expected {_shown(err.expected)}", f"found    {_shown(err.found)}"]
        raise refuse(*details) from err
    if file.new is None and after:
        raise refuse(f"{file.old}: the patch deletes this file, but {len(after)} lines are left over")
    executable = before.executable if file.new_mode is None else file.new_mode == _CREATED_MODE
    if file.old is not None and file.new != file.old:
        overlay.file(file.old).lines = None
    if file.new is not None:
        target = overlay.file(file.new)
        target.lines, target.executable = after, executable
    return offsets


def _in_the_way(overlay: Overlay, file: FileDiff) -> str | None:
    """Why a diff cannot be applied whatever its hunks say: its file is missing, or its new name is taken."""
    if file.old is not None and overlay.file(file.old).lines is None:
        return f"{file.old}: no such file in the source"
    if file.new is None or file.new == file.old:
        return None
    deed = f"the patch renames {file.old} to it" if file.old is not None else "the patch makes this file"
    if overlay.file(file.new).lines is not None:
        return f"{file.new}: {deed}, but it is there already"
    # A file may take the name of the folder that it was in.
    obstacle = overlay.obstacle(file.new, without=file.old)
    return f"{file.new}: {deed}, but {obstacle}" if obstacle else None


def _shown(line: bytes | None) -> str:
    return "the end of the file" if line is None else repr(line.decode("utf-8", "backslashreplace"))


def _stamp(tree: Path, stamp: Stamp, distribution: Distribution) -> None:
    """The one line that holds the upstream version holds the patched version instead."""
    path = tree / stamp.file
    # Bytes in and out: universal newlines would rewrite a CRLF file.
    try:
        text = path.read_bytes().decode("utf-8") if path.is_file() else ""
    except UnicodeDecodeError as err:
        raise SeriesError(f"{stamp.file}: not UTF-8: {err.reason} at byte {err.start}; it cannot be stamped") from err
    lines = text.splitlines(keepends=True)
    places = [number for number, line in enumerate(lines) if line.rstrip("\r\n") == stamp.line]
    if len(places) != 1:
        raise SeriesError(
            f"the version of {distribution.name} {distribution.release.upstream} cannot be stamped",
            details=[f"{stamp.file}: the line {stamp.line!r} occurs {len(places)} times, not once"],
            hint="correct [stamp] in the manifest",
        )
    release = distribution.release
    lines[places[0]] = lines[places[0]].replace(str(release.upstream), str(release.patched))
    path.write_bytes("".join(lines).encode("utf-8"))
    # The metadata of the sdist says the upstream version, and some backends (hatchling) believe it. It is made anew.
    if (tree / stamp.file).name != "PKG-INFO":
        (tree / "PKG-INFO").unlink(missing_ok=True)
