"""Filename of one wheel or sdist -> what it claims to be, or why it must not enter the index. Touches nothing."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from packaging.tags import Tag
from packaging.utils import (
    BuildTag,
    InvalidName,
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from astronomer_certified.errors import PublishError

# It becomes a path, a part of an address and a line of a log: nothing in it means anything in one of those.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")

# What file systems take as one name, of a file or a project, with room for what is written beside it.
LONGEST = 240

# Combinations of tags that a wheel may be for. No wheel on the public index has more than some dozens.
_TAGS = 500


class Refused(PublishError):
    """A file that the index does not take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedFile:
    """What a filename claims."""

    filename: str
    project: NormalizedName
    version: Version
    wheel: tuple[BuildTag, frozenset[Tag]] | None
    """Build tag and compatibility tags; None for an sdist."""


def identity(filename: str) -> tuple[object, ...]:
    """What two spellings of one file have in common, of a name that was parsed once. No tag is made of it: the tags of
    one name are each of three sets with each, and two names have the same if those sets are the same."""
    if not filename.endswith(".whl"):
        return parse_sdist_filename(filename)
    name, version, *build, python, abi, platform = filename.removesuffix(".whl").split("-")
    tags = [frozenset(words.lower().split(".")) for words in (python, abi, platform)]
    number = re.match(r"\d+", build[0]) if build else None
    numbered = (int(number[0]), build[0][number.end() :]) if number else ()
    return canonicalize_name(name), Version(version), numbered, *tags


def parse(filename: str) -> ClaimedFile:
    """What `filename` claims to be, by the wheel and sdist formats (PEP 427, PEP 625); Refused for anything else."""
    if not _NAME.fullmatch(filename) or len(filename) > LONGEST:
        raise Refused(
            f"{filename[:LONGEST]!a} is no distribution's name",
            details=[f"letters, digits, . _ + ! and - alone, no dot first, no more than {LONGEST} characters"],
        )
    # Before parsing, which makes an object of each: a name of 240 characters can stand for 50,000.
    if filename.endswith(".whl") and _combinations(filename) > _TAGS:
        raise Refused(f"{filename} is for more than {_TAGS} combinations of Python, ABI and platform")
    try:
        if filename.endswith(".whl"):
            project, version, build, tags = parse_wheel_filename(filename)
            return ClaimedFile(filename=filename, project=_valid(project), version=version, wheel=(build, tags))
        if filename.endswith(".tar.gz"):
            project, version = parse_sdist_filename(filename)
            return ClaimedFile(filename=filename, project=_valid(project), version=version, wheel=None)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion, InvalidName) as err:
        raise Refused(f"{filename} is no distribution's name", details=[str(err)]) from err
    raise Refused(f"{filename} is neither a wheel (.whl) nor an sdist (.tar.gz)")


def _combinations(filename: str) -> int:
    """How many tags the compressed tag set of a wheel's name stands for (PEP 425): each of three with each."""
    return math.prod(part.count(".") + 1 for part in filename.removesuffix(".whl").split("-")[-3:])


def _valid(project: str) -> NormalizedName:
    """The name, if there can be a project of it; packaging reads file names of others, too."""
    found = project_name(project)
    if found is None:
        raise InvalidName(f"{project!r} is no project's name: letters and digits, with . _ - between them")
    return found


def project_name(text: str) -> NormalizedName | None:
    """The normalized name (PEP 503) that `text` is a spelling of; None when it is none, or longer than any here."""
    if len(text) > LONGEST:
        return None
    try:
        return canonicalize_name(text, validate=True)
    except InvalidName:
        return None
