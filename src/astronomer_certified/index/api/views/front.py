"""The store -> the front page: current releases, how to install, what there is. Touches nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import NormalizedName

from astronomer_certified.index.api.install_lines import Install, recommended, requirement
from astronomer_certified.index.api.notes import Note
from astronomer_certified.index.store.records import ProjectRecord

from . import releases
from .releases import ReleaseRow


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontPage:
    """What the front page shows. `simple` is quoted for a shell; `install` is None while nothing can be recommended."""

    simple: str
    anything: Install
    install: Install | None
    releases: tuple[ReleaseRow, ...]
    names: tuple[NormalizedName, ...]
    count: int


def view(
    names: Sequence[NormalizedName], shown: int, certified: ProjectRecord | None, known: Mapping[str, Note], simple: str
) -> FrontPage:
    """The page, with the first `shown` names; `certified` is the certified wheel's project, if it is here."""
    newest = recommended(certified) if certified is not None else None
    install = None
    if certified is not None and newest is not None:
        install = Install.of(requirement(certified.name, newest.version, known), simple)
    there = certified is not None and bool(certified.served)
    return FrontPage(
        simple=shlex.quote(simple),
        anything=Install.of("PROJECT", simple),
        install=install,
        releases=releases.current(releases.table(certified, known)) if certified is not None and there else (),
        names=tuple(names[:shown]),
        count=len(names),
    )
