"""Project name -> where else it may come from. Names that are ours or protected come from nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from packaging.utils import NormalizedName

from astronomer_certified.effects.addresses import shown
from astronomer_certified.errors import UsageError

# Of what fnmatch knows, `*` and `?`: a `[` is no pattern here, and `copies.nginx` translates these two alone.
_PATTERN = re.compile(r"[a-z0-9*?](?:[a-z0-9*?-]*[a-z0-9*?])?")


class Mode(StrEnum):
    """What is done for a project that nothing was ever published of here."""

    NONE = "none"
    REDIRECT = "redirect"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """The operator's choice. `url` is the upstream's simple API, ending in a slash."""

    mode: Mode = Mode.NONE
    url: str | None = None
    protected: tuple[str, ...] = ()
    """Normalized names, or patterns of them like `acme-*`, that upstream never answers for."""

    def is_protected(self, project: NormalizedName) -> bool:
        """Whether upstream never answers for the project."""
        return any(fnmatchcase(project, pattern) for pattern in self.protected)

    def page(self, project: NormalizedName) -> str | None:
        """Where an installer is sent for the project; None for nowhere."""
        # A login that the operator has there is not the clients'.
        return f"{shown(self.url)}{project}/" if self.mode is Mode.REDIRECT and self.url else None


def patterns(names: Iterable[str]) -> tuple[str, ...]:
    """Names as people write them, in the form in which they are compared (PEP 503); `*` and `?` stay.

    Raises UsageError for what can be no name, with or without them: it would protect nothing, and nobody would be told.
    """
    return tuple(map(_pattern, names))


def _pattern(name: str) -> str:
    pattern = re.sub(r"[-_.]+", "-", name).lower()
    if not _PATTERN.fullmatch(pattern):
        raise UsageError(f"{name!r} is no name of a project and no pattern of names", hint="like acme, or 'acme-*'")
    return pattern
