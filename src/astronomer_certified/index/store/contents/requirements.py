"""What METADATA says that a distribution needs -> nothing, when installers understand it. Touches nothing.

The newest pip gives up a distribution for a Requires-Dist that packaging does not read, uv one for a Requires-Python,
too. But wheels of old have clauses like `>=2.7.*`, which the pips of their time read, and uv mends: these pass, since
those pips are what old Pythons have, and what certified releases pin are such wheels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from packaging.metadata import RawMetadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from .members import Unsound

# A requirement with a marker for each Python and platform has some hundreds.
_LONGEST = 10_000

# uv keeps a part of a version in 64 bits.
_LARGEST = 2**64 - 1

# A clause as packaging read it up to version 21, and so pip up to 24.0: any word behind an operator. There are wheels
# with `!=~5.0`, `>= '2.7'`, two clauses without a comma; of words without a number, there is `>dev`.
_CLAUSE = r"(?:==|!=|<=|>=|<|>)\s*(?:['\"~]?[0-9][^,;\s)]*|dev)"
_CLAUSES = re.compile(rf"{_CLAUSE}(?:\s*,\s*{_CLAUSE})*\s*,?")
_TOO_LARGE = re.compile(r"[0-9]{20}")
_FIRST = re.compile(r"[(<>=!~@]")


def check_requirements(raw: RawMetadata, unread: Mapping[str, Sequence[object]]) -> None:
    """Raises `Unsound` for a Requires-Dist or Requires-Python that pip or uv refuses; `unread` is what there is of
    fields that were there twice."""
    if "requires-python" in unread:
        raise Unsound("it has two Requires-Python, or one that is not UTF-8: readers differ in which they believe")
    for text in raw.get("requires_dist", ()):
        if len(text) > _LONGEST or not _is_requirement(text):
            raise Unsound("it has a Requires-Dist that installers do not read", details=[f"{text[:200]!a}"])
    python = raw.get("requires_python")
    if python is not None and not _is_specifier(python):
        raise Unsound("it has a Requires-Python that installers do not read", details=[f"{python[:200]!a}"])


def fits(version: Version) -> bool:
    """Whether every installer can keep such a version."""
    numbers = [version.epoch, *version.release, *(part[1] for part in (version.pre,) if part is not None)]
    return max(*numbers, version.post or 0, version.dev or 0) <= _LARGEST


def _is_requirement(text: str) -> bool:
    try:
        return _all_fit(Requirement(text).specifier)
    except InvalidRequirement:
        pass
    except (ValueError, RecursionError):  # numbers with more digits than Python reads, or brackets
        return False
    head, semicolon, marker = text.partition(";")
    first = _FIRST.search(head)
    if first is None or not _were_clauses(head[first.start() :]):
        return False
    try:
        Requirement(f"{head[: first.start()]}{semicolon}{marker}")
    except (InvalidRequirement, RecursionError):
        return False
    return True


def _is_specifier(text: str) -> bool:
    try:
        return _all_fit(SpecifierSet(text))
    except InvalidSpecifier:
        return _were_clauses(text)


def _were_clauses(text: str) -> bool:
    # With one blank in place of many: the pattern would try each in turn.
    text = " ".join(text.split())
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    return _CLAUSES.fullmatch(text) is not None and not _TOO_LARGE.search(text)


def _all_fit(specifiers: SpecifierSet) -> bool:
    """Whether each is about a version; `===` takes any text, and uv none but a version."""
    try:
        return all(fits(Version(specifier.version.removesuffix(".*"))) for specifier in specifiers)
    except ValueError:  # InvalidVersion, and numbers with more digits than Python reads
        return False
