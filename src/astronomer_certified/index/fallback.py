"""Project name -> where else it may come from. Names that are ours or protected come from nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from packaging.utils import NormalizedName


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
        return any(fnmatchcase(project, pattern) for pattern in self.protected)

    def page(self, project: NormalizedName) -> str | None:
        """Where an installer is sent for the project; None for nowhere."""
        return f"{self.url}{project}/" if self.mode is Mode.REDIRECT and self.url else None


def patterns(names: Iterable[str]) -> tuple[str, ...]:
    """Names as people write them, in the form in which they are compared; `*` and `?` stay."""
    return tuple(name.lower().replace("_", "-").replace(".", "-") for name in names)
