"""The wheel diff gate: a patched wheel against upstream's own -> the differences, each with its reason, or a refusal.

Promise: patched minus upstream = files named by the series + the version stamp + regenerated metadata.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path

from astronomer_certified.artifacts import METADATA_SOURCES, Difference, Distribution, PatchedTree
from astronomer_certified.errors import WheelDiffError
from astronomer_certified.formats.wheel_files import Member, dist_info

_METADATA = ".dist-info/METADATA"
_SHOWN = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Our wheel's members and upstream's, both under neutral names, and the files that patches touched in the tree."""

    distribution: Distribution
    touched: Mapping[str, Path]
    ours: Mapping[str, Member]
    theirs: Mapping[str, Member]

    def change(self, path: str) -> str:
        """How a path differs: added, missing or changed."""
        return "added" if path not in self.theirs else "missing" if path not in self.ours else "changed"


def compare(
    distribution: Distribution, tree: PatchedTree, ours: Mapping[str, Member], theirs: Mapping[str, Member]
) -> tuple[Difference, ...]:
    """Every difference between the wheels' members. Raises `WheelDiffError` for those that nothing explains."""
    our_info, their_info = dist_info(ours), dist_info(theirs)
    ours = _neutral(ours, our_info)
    theirs = _neutral(theirs, their_info)
    # The tree of a published wheel has this folder under upstream's version, and patches name it so.
    touched = {path.replace(their_info, ".dist-info"): tree.path / path for path in tree.touched}
    pair = _Pair(distribution=distribution, touched=touched, ours=ours, theirs=theirs)
    found: list[Difference] = []
    unexplained: list[str] = []
    version = _version(ours)
    if unstamped := version != str(distribution.release.patched):
        unexplained.append(f"changed: {_METADATA} (its version is {version!r})")
    for path in sorted(ours.keys() | theirs.keys()):
        if ours.get(path) == theirs.get(path) or (path == _METADATA and unstamped):
            continue
        reason = _reason(pair, path)
        if reason is None:
            unexplained.append(f"{pair.change(path)}: {path}{_how(ours.get(path), theirs.get(path))}")
        else:
            found.append(Difference(path=path, change=pair.change(path), reason=reason))
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


def _reason(pair: _Pair, path: str) -> str | None:
    """What explains a difference; None when nothing does."""
    change = pair.change(path)
    if path in pair.touched and path != _METADATA:
        # A patch changed it, and yet the build left it out: that is none of the patch's doing.
        lost = change == "missing" and pair.touched[path].is_file()
        return None if lost else "series"
    # Files come and go by the series alone.
    if change != "changed":
        return None
    mine, upstreams = pair.ours[path].content, pair.theirs[path].content
    if path == _METADATA:
        return _reason_of_metadata(pair, mine, upstreams)
    regenerated = {".dist-info/WHEEL": _without_generator, ".dist-info/entry_points.txt": _filled_lines}.get(path)
    if regenerated is not None and regenerated(mine) == regenerated(upstreams):
        return "regenerated: another version of the build backend"
    return "version stamp" if _is_stamped(pair.distribution, path, mine, upstreams) else None


def _reason_of_metadata(pair: _Pair, mine: bytes, upstreams: bytes) -> str | None:
    if pair.touched.keys() & (METADATA_SOURCES | {_METADATA}):
        return "series and version stamp"
    return "version stamp" if _metadata_differs_by_version_only(mine, upstreams, pair.distribution) else None


def _is_stamped(distribution: Distribution, path: str, mine: bytes, upstreams: bytes) -> bool:
    """Whether a file differs in nothing but the line that holds the version."""
    stamp = distribution.stamp
    if stamp is None or path != stamp.file:
        return False
    stamped = stamp.line.replace(str(distribution.release.upstream), str(distribution.release.patched))
    return mine.decode().replace(stamped, stamp.line, 1) == upstreams.decode()


def _version(members: Mapping[str, Member]) -> str | None:
    metadata = members.get(_METADATA)
    return BytesParser().parsebytes(metadata.content)["Version"] if metadata else None


def _metadata_differs_by_version_only(ours: bytes, theirs: bytes, distribution: Distribution) -> bool:
    """Whether METADATA is upstream's but for the stamped version and what setup.py derives from it (Download-URL)."""
    old, new = str(distribution.release.upstream), str(distribution.release.patched)
    mine, upstreams = BytesParser().parsebytes(ours), BytesParser().parsebytes(theirs)
    # Counted: backends differ in the order of the fields, and some fields come many times.
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
    # Versions of setuptools differ in where they leave lines of entry_points.txt empty.
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
