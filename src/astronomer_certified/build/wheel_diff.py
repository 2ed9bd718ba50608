"""The wheel diff gate: a patched wheel against upstream's own -> the differences, each with its reason, or a refusal.

Promise: patched minus upstream = files named by the series + the version stamp + regenerated metadata.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from email.parser import BytesParser
from pathlib import Path

from astronomer_certified.artifacts import METADATA_SOURCES, Difference, Distribution, PatchedTree
from astronomer_certified.errors import WheelDiffError
from astronomer_certified.formats.wheel_files import Member, dist_info

_METADATA = ".dist-info/METADATA"
_SHOWN = 30


def compare(
    distribution: Distribution, tree: PatchedTree, ours: Mapping[str, Member], theirs: Mapping[str, Member]
) -> tuple[Difference, ...]:
    """Every difference between the wheels' members. Raises `WheelDiffError` for those that nothing explains."""
    our_info, their_info = dist_info(ours), dist_info(theirs)
    ours = _neutral(ours, our_info)
    theirs = _neutral(theirs, their_info)
    touched = {path.replace(their_info, ".dist-info"): tree.path / path for path in tree.touched}
    found: list[Difference] = []
    unexplained: list[str] = []
    version = _version(ours)
    if unstamped := version != str(distribution.release.patched):
        unexplained.append(f"changed: {_METADATA} (its version is {version!r})")
    for path in sorted(ours.keys() | theirs.keys()):
        if ours.get(path) == theirs.get(path) or (path == _METADATA and unstamped):
            continue
        change = "added" if path not in theirs else "missing" if path not in ours else "changed"
        reason = _reason(path, change, distribution, touched, ours, theirs)
        if reason is None:
            unexplained.append(f"{change}: {path}{_how(ours.get(path), theirs.get(path))}")
        else:
            found.append(Difference(path=path, change=change, reason=reason))
    if unexplained:
        raise WheelDiffError(
            f"{distribution.name} {distribution.release.patched}: it differs from upstream's by more than its series",
            details=[
                *unexplained[:_SHOWN],
                *([f"and {len(unexplained) - _SHOWN} more"] if len(unexplained) > _SHOWN else []),
            ],
            hint="name the file in a patch, or under [[restore]] if the source lacks what upstream's wheel has",
        )
    return tuple(found)


def _neutral(members: Mapping[str, Member], info: str) -> dict[str, Member]:
    """The members with name and version taken out of the names of the .dist-info and .data folders (PEP 427)."""
    stem = info.removesuffix(".dist-info")
    versioned = (f"{stem}.dist-info/", f"{stem}.data/")
    return {path.removeprefix(stem) if path.startswith(versioned) else path: member for path, member in members.items()}


def _reason(
    path: str,
    change: str,
    distribution: Distribution,
    touched: Mapping[str, Path],
    ours: Mapping[str, Member],
    theirs: Mapping[str, Member],
) -> str | None:
    if path in touched and path != _METADATA:
        lost = change == "missing" and touched[path].is_file()
        return None if lost else "series"
    if change != "changed":
        return None
    mine, upstreams = ours[path].content, theirs[path].content
    if path == _METADATA:
        allowed = touched.keys() & (METADATA_SOURCES | {path})
        if _metadata_differs_by_version_only(mine, upstreams, distribution):
            return "series and version stamp" if allowed else "version stamp"
        return "series and version stamp" if allowed else None
    if path == ".dist-info/WHEEL" and _without_generator(mine) == _without_generator(upstreams):
        return "regenerated: another version of the build backend"
    if path == ".dist-info/entry_points.txt" and _filled_lines(mine) == _filled_lines(upstreams):
        return "regenerated: another version of the build backend"
    if distribution.stamp is not None and path == distribution.stamp.file:
        old, new = str(distribution.release.upstream), str(distribution.release.patched)
        stamped = distribution.stamp.line.replace(old, new)
        if mine.decode().replace(stamped, distribution.stamp.line, 1) == upstreams.decode():
            return "version stamp"
    return None


def _version(members: Mapping[str, Member]) -> str | None:
    metadata = members.get(_METADATA)
    return BytesParser().parsebytes(metadata.content)["Version"] if metadata else None


def _metadata_differs_by_version_only(ours: bytes, theirs: bytes, distribution: Distribution) -> bool:
    """Whether METADATA is upstream's but for the stamped version and what setup.py derives from it (Download-URL)."""
    old, new = str(distribution.release.upstream), str(distribution.release.patched)
    mine, upstreams = BytesParser().parsebytes(ours), BytesParser().parsebytes(theirs)
    unstamped = Counter((name, value.replace(new, old)) for name, value in mine.items())
    # Old build backends say "UNKNOWN" where they have nothing to say, and end the description with empty lines.
    nothing = ("Platform", "UNKNOWN")
    known, theirs_known = (
        {k: n for k, n in c.items() if k != nothing} for c in (unstamped, Counter(upstreams.items()))
    )
    mine_text, their_text = (str(message.get_payload()).rstrip() for message in (mine, upstreams))
    return known == theirs_known and mine_text.replace(new, old) == their_text


def _without_generator(wheel_file: bytes) -> list[bytes]:
    return [line for line in wheel_file.splitlines() if not line.startswith(b"Generator:")]


def _filled_lines(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if line.strip()]


def _how(ours: Member | None, theirs: Member | None) -> str:
    """What differs, in one line."""
    if ours is None or theirs is None:
        return ""
    if ours.content == theirs.content:
        return " (executable bit)"
    if not ours.content:
        return f" (empty, upstream's has {len(theirs.content)} bytes)"
    try:
        lines = difflib.unified_diff(
            theirs.content.decode().splitlines(), ours.content.decode().splitlines(), n=0, lineterm=""
        )
    except UnicodeDecodeError:
        return " (binary)"
    shown = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    return (
        f" ({shown[0]!r}{f' and {len(shown) - 1} more lines' if len(shown) > 1 else ''})" if shown else " (line ends)"
    )
