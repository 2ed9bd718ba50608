"""suites.toml -> what a Debian release calls the system packages of the architecture document. Reads that file only."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from astronomer_certified.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Omitted:
    """A package of the document that is not in the image, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A Debian release: what of the document's packages images have there, and what a CPython from elsewhere needs."""

    name: str
    number: int
    glibc: tuple[int, ...]
    packages: tuple[str, ...]
    python: tuple[str, ...]
    omitted: tuple[Omitted, ...]

    @property
    def of_own_base(self) -> tuple[str, ...]:
        """Everything that a base has which is made here, by name."""
        return tuple(sorted({*self.packages, *self.python, "ca-certificates"}))


@cache
def _stated() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("suites.toml").read_text(encoding="utf-8"))


def names() -> tuple[str, ...]:
    """The Debian releases that are known, the oldest first."""
    return tuple(_stated()["suites"])


def find(name: str) -> Suite:
    """The Debian release of that name. UsageError for one that is not known."""
    stated = _stated()
    if name not in stated["suites"]:
        near = difflib.get_close_matches(name, names(), 1)
        raise UsageError(
            f"the packages of Debian {name!r} are not known",
            hint=f"did you mean {near[0]}?" if near else f"one of {', '.join(names())}",
        )
    suite, packages = stated["suites"][name], stated["packages"]
    return Suite(
        name=name,
        number=suite["number"],
        glibc=tuple(suite["glibc"]),
        packages=tuple(item.get(name, package) for package, item in packages.items() if "why" not in item),
        python=tuple(suite["python"]),
        omitted=tuple(Omitted(name=package, why=item["why"]) for package, item in packages.items() if "why" in item),
    )
