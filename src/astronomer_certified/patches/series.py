"""Upstream source + patches/NAME/series -> PatchedTree. Writes one folder, whole or not at all.

The series is quilt's format, each patch has a DEP-3 header, application is exact (see `diffs`).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from packaging.utils import NormalizedName

from . import diffs
from astronomer_certified.artifacts import Distribution, Offset, PatchedTree, Stamp, UpstreamFile
from .diffs import FileDiff, HunkRefused, MalformedDiff
from astronomer_certified.effects.disk import atomic_folder
from astronomer_certified.source.kinds import KINDS
from astronomer_certified.errors import SeriesError

BACKUP = ".before-export"
"""The folder in a patch folder that is there while its series is replaced, and after that was killed."""

_REQUIRED = ("Description", "Author", "Origin", "Last-Update")
CVE = re.compile(r"CVE-\d{4}-\d{4,}")
"""The id of a vulnerability, as in any text."""
# Of several values in one field, which may be folded.
_SEPARATOR = re.compile(r"[,\s]+")
_FIELD = re.compile(r"([!-9;-~]+):(.*)")
_NUMBER = re.compile(r"^\d+-")
_CREATED_MODE = 0o100755


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One parsed patch file: its DEP-3 fields and what it changes."""

    name: str
    fields: Mapping[str, str]
    files: tuple[FileDiff, ...]

    @property
    def subject(self) -> str:
        """The first line of the description (DEP-3)."""
        return self.fields["Description"].splitlines()[0].strip()

    @property
    def slug(self) -> str:
        """What the patch is called whatever the version: its file name without number and ending."""
        return slug_of(self.name)

    @property
    def cves(self) -> tuple[str, ...]:
        """The CVE ids it fixes, in the header's order."""
        return tuple(CVE.findall(self.fields.get("CVE", "")))

    @property
    def proofs(self) -> tuple[str, ...]:
        """The files of patches/proofs/ that prove it; empty where the header says why there is none."""
        names = self.fields.get("Proof", "").strip()
        return () if names.startswith("none:") else tuple(_SEPARATOR.split(names))

    @property
    def depends(self) -> tuple[str, ...]:
        """The patches before it without which it does not apply, by slug or name."""
        return tuple(filter(None, _SEPARATOR.split(self.fields.get("Depends", ""))))

    @property
    def touched(self) -> frozenset[str]:
        """Every path it changes, makes or removes."""
        return frozenset(path for file in self.files for path in (file.old, file.new) if path is not None)


def slug_of(name: str) -> str:
    """A patch's file name without number and ending."""
    return _NUMBER.sub("", name.removesuffix(".patch"))


def names(folder: Path) -> tuple[str, ...]:
    """The patch names of `folder`/series, in order; quilt's comments and blank lines left out. Empty without a series.

    Raises `SeriesError` for an entry without a file, a patch outside the series, an entry that comes twice, an option
    that would loosen the application, and for a series that is half replaced.
    """
    path = folder / "series"
    if (folder / BACKUP).is_dir():
        raise SeriesError(
            f"{path}: an export is at work on it, or was killed: {BACKUP} is there",
            hint="run it again; after a kill, certified patch checkout or export puts the series back",
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    except UnicodeDecodeError as err:
        raise SeriesError(f"{path}: not UTF-8: {err.reason} at byte {err.start}") from err
    listed: list[str] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        name = listed_name(line)
        if name is None:
            continue
        options = line.split(" #")[0].split()[1:]
        if options not in ([], ["-p1"]):
            problems.append(f"line {number}: options {' '.join(options)!r}: only -p1 is known")
        if name in listed:
            problems.append(f"line {number}: {name} is listed twice")
        elif "/" in name or not (folder / name).is_file():
            problems.append(f"line {number}: {name} is listed, but there is no such file")
        listed.append(name)
    outside = sorted(file.name for file in folder.glob("*.patch") if file.name not in listed)
    problems += [f"{name} is not in the series" for name in outside]
    if problems:
        raise SeriesError(f"{path}: the series does not match its folder", details=problems, hint=f"edit {path}")
    return tuple(listed)


def listed_name(line: str) -> str | None:
    """The patch that a line of a series names; None for a comment and a blank line."""
    words = line.split(" #")[0].split()
    return words[0] if words and not words[0].startswith("#") else None


def read(folder: Path) -> tuple[Patch, ...]:
    """The patches of a folder in the order of its series. Raises `SeriesError`."""
    return tuple(parse(folder / name, (folder / name).read_bytes()) for name in names(folder))


class Carried:
    """The patches of several distributions, by name; each series is read when it is first asked for."""

    def __init__(self, distributions: Iterable[Distribution]) -> None:
        self._folders = {item.name: item.folder for item in distributions}
        self._read: dict[NormalizedName, tuple[Patch, ...]] = {}

    def of(self, name: NormalizedName) -> tuple[Patch, ...]:
        """The patches of a distribution in the order of its series. Raises `SeriesError`."""
        if name not in self._read:
            self._read[name] = read(self._folders[name])
        return self._read[name]

    def every(self) -> dict[NormalizedName, tuple[Patch, ...]]:
        """The patches of each distribution. Raises `SeriesError`."""
        return {name: self.of(name) for name in self._folders}


def parse(path: Path, content: bytes) -> Patch:
    """The patch that stands, or is to stand, in a file. Raises `SeriesError`."""
    try:
        header, files = diffs.parse(content)
    except MalformedDiff as err:
        raise SeriesError(f"{path}: not a patch", details=[str(err)]) from err
    if not files:
        raise SeriesError(f"{path}: changes nothing", hint="take it out of the series, or export it again")
    stated = _fields(header.decode("utf-8", "replace"))
    fields = dict(stated)
    missing = [name for name in _REQUIRED if not fields.get(name, "").strip()]
    if not (fields.get("Bug", "").strip() or fields.get("Applied-Upstream", "").strip()):
        missing.append("Bug or Applied-Upstream")
    if problem := proof_problem(fields.get("Proof", "").strip()):
        missing.append(problem)
    if "CVE" in fields and not CVE.search(fields["CVE"]):
        missing.append(f"a CVE id in {fields['CVE']!r}")
    missing += [
        f"one {name} field for all its values (it comes twice)"
        for name in fields
        if [other for other, _ in stated].count(name) > 1
    ]
    if missing:
        raise SeriesError(
            f"{path}: incomplete DEP-3 header",
            details=[f"missing: {name}" for name in missing],
            hint="docs/patches.md shows a complete header",
        )
    return Patch(name=path.name, fields=fields, files=files)


def proof_problem(proof: str) -> str | None:
    """What a Proof field lacks; None when it names files, or says why there are none."""
    if proof in ("none", "none:"):
        return "a reason after 'Proof: none:'"
    if not proof.startswith("none: ") and not all(name.endswith(".py") for name in _SEPARATOR.split(proof)):
        return "Proof (files of patches/proofs/, or 'none: REASON')"
    return None


def _fields(header: str) -> list[tuple[str, str]]:
    """The DEP-3 fields: RFC 822 names and folded values, up to the `---` line."""
    text = re.split(r"^---\s*$", header, maxsplit=1, flags=re.MULTILINE)[0]
    fields: list[tuple[str, str]] = []
    # Not `email`: reading its modules takes longer than reading a series.
    for line in text.lstrip("\n").split("\n"):
        line = line.rstrip("\r")
        named = _FIELD.fullmatch(line)
        if line[:1] in (" ", "\t") and line.strip() and fields:
            fields[-1] = (fields[-1][0], f"{fields[-1][1]}\n{line}")
        elif named is not None:
            fields.append((named[1], named[2].strip()))
        else:
            break  # an empty line ends the header, as does what is no field
    return fields


def apply(distribution: Distribution, source: UpstreamFile, patches: tuple[Patch, ...], target: Path) -> PatchedTree:
    """`target` becomes the unpacked source with every patch applied and the version stamped.

    Raises `SeriesError` and leaves `target` as it was.
    """
    with atomic_folder(target) as beside:
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
        real = self._folder / path
        return (real.read_bytes(), bool(real.stat().st_mode & 0o100)) if real.is_file() else None

    def below(self, path: str) -> Iterable[str]:
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

    def obstacle(self, path: str) -> str | None:
        """What keeps a new file from being at `path`; None if nothing does."""
        here = {name for name, file in self._files.items() if file.lines is not None and name.startswith(f"{path}/")}
        if here or any(name not in self._files for name in self._tree.below(path)):
            return "a folder is there"
        for parent in PurePosixPath(path).parents:
            known = self._files.get(str(parent))
            if known.lines is not None if known else self._tree.read(str(parent)) is not None:
                return f"{parent} is no folder"
        return None

    def apply(self, patch: Patch, *, against: str) -> tuple[Offset, ...]:
        """The offsets at which its hunks applied. Raises `SeriesError`; then nothing changed."""
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
                real.chmod(0o755 if file.executable else 0o644)


def apply_to_folder(folder: Path, patches: tuple[Patch, ...], *, against: str) -> tuple[Offset, ...]:
    """The offsets at which hunks applied; `folder` is changed only after every patch applied. Raises `SeriesError`."""
    overlay = Overlay(FolderTree(folder))
    offsets = [offset for patch in patches for offset in overlay.apply(patch, against=against)]
    overlay.write(folder)
    return tuple(offsets)


def _apply_file(overlay: Overlay, patch: Patch, file: FileDiff, against: str) -> list[tuple[int, int, int]]:
    def refuse(*details: str) -> SeriesError:
        return SeriesError(
            f"{patch.name} does not apply to {against}",
            details=details,
            hint="rebase the patch on the source as it is now; its context must match letter for letter",
        )

    if file.old is None:
        if overlay.file(file.path).lines is not None:
            raise refuse(f"{file.path}: the patch makes this file, but it is there already")
        if obstacle := overlay.obstacle(file.path):
            raise refuse(f"{file.path}: the patch makes this file, but {obstacle}")
        before: list[bytes] = []
        executable = False
    else:
        there = overlay.file(file.old)
        if there.lines is None:
            raise refuse(f"{file.old}: no such file in the source")
        before, executable = there.lines, there.executable
    try:
        after, offsets = diffs.apply(before, file.hunks)
    except HunkRefused as err:
        details = [f"{file.path}, hunk {err.hunk} at line {err.line}: {err.why}"]
        if err.expected is not None:
            details += [f"expected {_shown(err.expected)}", f"found    {_shown(err.found)}"]
        raise refuse(*details) from err
    if file.old is not None and file.new != file.old:
        overlay.file(file.old).lines = None
    if file.new is None:
        if after:
            raise refuse(f"{file.old}: the patch deletes this file, but {len(after)} lines are left over")
        return offsets
    target = overlay.file(file.new)
    if file.new != file.old and target.lines is not None and file.old is not None:
        raise refuse(f"{file.new}: the patch renames {file.old} to it, but it is there already")
    if file.old is not None and file.new != file.old and (obstacle := overlay.obstacle(file.new)):
        raise refuse(f"{file.new}: the patch renames {file.old} to it, but {obstacle}")
    target.lines = after
    target.executable = executable if file.new_mode is None else file.new_mode == _CREATED_MODE
    return offsets


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
