"""How far a release is certified on a Python: *quick*, *full* or *services*."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from astronomer_certified.artifacts import Manifest, Python
from astronomer_certified.errors import ManifestError


class Level(enum.StrEnum):
    """How far a release was certified on a Python; each includes those before it.

    *quick* is what `install` tries, on SQLite. *full*: PostgreSQL, scheduler and webserver as processes, compared with
    upstream. *services*: Celery with Redis and two hosts, LDAP, MariaDB, and processes that die.
    """

    QUICK = "quick"
    FULL = "full"
    SERVICES = "services"

    @property
    def above_quick(self) -> tuple[Level, ...]:
        """The levels that put a release into operation, up to this one."""
        every = (Level.QUICK, Level.FULL, Level.SERVICES)
        return every[1 : every.index(self) + 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How far to certify, and on which Python; what is None is as far as is promised, and on each."""

    level: Level | None = None
    python: Python | None = None

    @property
    def whole(self) -> bool:
        """Whether all that is promised is wanted."""
        return self.level is None and self.python is None

    def levels(self, stated: Manifest) -> Mapping[Python, Level]:
        """The level for each Python. Promised is *full* on each Python of a release, and *services* on its newest.

        Raises `ManifestError` for a Python that it does not have.
        """
        newest = max(stated.pythons)
        if self.python is not None and self.python not in stated.pythons:
            raise ManifestError(
                f"{stated.release.tag} does not support Python {self.python}",
                hint=f"it supports {', '.join(map(str, stated.pythons))}",
            )
        wanted = stated.pythons if self.python is None else (self.python,)
        return {python: self.level or (Level.SERVICES if python == newest else Level.FULL) for python in wanted}
