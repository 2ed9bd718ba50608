"""PatchedTree -> the patched distribution's wheel, reproducible and compared with upstream's. Uses up the tree.

Upstream's own backend builds it, in an environment that holds the locked build requirements and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.artifacts import Difference, Distribution, Interpreter, PatchedTree, UpstreamFile, Wheel
from astronomer_certified.errors import BuildError
from astronomer_certified.formats import wheel_files
from astronomer_certified.formats.wheel_files import Member

from . import backends
from .wheel_diff import compare


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """What a source is built with: an interpreter and its environment of locked build requirements."""

    interpreter: Interpreter
    requirements: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchedWheel:
    """A patched distribution's wheel and how it differs from upstream's."""

    wheel: Wheel
    differences: tuple[Difference, ...]
    restored: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a build works: a scratch folder, the folder that the wheel goes to, and the file of its log."""

    scratch: Path
    folder: Path
    log: Path


def build(
    distribution: Distribution, tree: PatchedTree, upstream_wheel: UpstreamFile, toolchain: Toolchain | None,
    places: Places,
) -> PatchedWheel:  # fmt: skip
    """The wheel of a patched tree. `toolchain` is None for a source that nobody builds.

    The tree is used up: backends write into what they build.

    Raises `BuildError`, or `WheelDiffError` when the result differs from upstream's by more than the series.
    """
    theirs = wheel_files.read(upstream_wheel.path)
    if toolchain is None:
        name, ours = _restamped(distribution, tree)
    else:
        name, ours = _built(distribution, tree, toolchain, places)
    # Before the comparison, in which these files are upstream's own.
    restored = _restore(distribution, ours, theirs)
    differences = compare(distribution, tree, ours, theirs)
    wheel = wheel_files.write(places.folder / name, ours, distribution.epoch)
    return PatchedWheel(wheel=wheel, differences=differences, restored=restored)


def _built(
    distribution: Distribution, tree: PatchedTree, toolchain: Toolchain, places: Places
) -> tuple[str, dict[str, Member]]:
    backend = backends.Places(scratch=places.scratch, log=places.log)
    made = backends.build_wheel(tree.path, toolchain.interpreter, toolchain.requirements, distribution.epoch, backend)
    return made.name, wheel_files.read(made)


def _restamped(distribution: Distribution, tree: PatchedTree) -> tuple[str, dict[str, Member]]:
    """The files of an unpacked wheel under the patched version: .dist-info renamed, METADATA's Version replaced."""
    release = distribution.release
    ours: dict[str, Member] = {}
    for path in sorted(tree.path.rglob("*")):
        if path.is_file():
            executable = bool(path.stat().st_mode & 0o100)
            ours[path.relative_to(tree.path).as_posix()] = Member(content=path.read_bytes(), executable=executable)
    old = wheel_files.dist_info(ours)
    new = old.replace(f"-{release.upstream}.dist-info", f"-{release.patched}.dist-info")
    # It is made anew when the wheel is written.
    ours.pop(f"{old}/RECORD")
    renamed = {f"{old}/": f"{new}/", old.replace(".dist-info", ".data/"): new.replace(".dist-info", ".data/")}
    for stem, stamped in renamed.items():
        ours = {stamped + path.removeprefix(stem) if path.startswith(stem) else path: m for path, m in ours.items()}
    # As bytes, not by a parser: all the rest of it stays upstream's.
    metadata = ours[f"{new}/METADATA"].content
    before, after = f"\nVersion: {release.upstream}\n".encode(), f"\nVersion: {release.patched}\n".encode()
    if metadata.count(before) != 1:
        raise BuildError(f"{distribution.source.filename}: METADATA has no line 'Version: {release.upstream}'")
    ours[f"{new}/METADATA"] = Member(content=metadata.replace(before, after))
    name = distribution.source.filename.replace(f"-{release.upstream}-", f"-{release.patched}-", 1)
    return name, ours


def _restore(distribution: Distribution, ours: dict[str, Member], theirs: Mapping[str, Member]) -> tuple[str, ...]:
    """Files that upstream's wheel has and its source does not are put back, as the manifest says."""
    restored = []
    for entry in distribution.restore:
        if entry.path not in theirs:
            raise BuildError(
                f"{entry.path} cannot be restored: upstream's {distribution.upstream_wheel.filename} has no such file",
                hint="correct [[restore]] in the manifest",
            )
        # A build may also leave the file behind with nothing in it: then it is put back as well.
        if entry.path in ours and ours[entry.path].content:
            raise BuildError(
                f"{entry.path} need not be restored: the build makes it",
                hint="take it out of [[restore]], or patch it where it is made",
            )
        ours[entry.path] = theirs[entry.path]
        restored.append(entry.path)
    return tuple(restored)
