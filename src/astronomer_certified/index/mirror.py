"""Another index's project -> the same files in this store, each checked against that index's sha256. Talks HTTP.

The files keep their yanks; their upload time is when they came here, which is when this index published them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import requests
from packaging.utils import NormalizedName

from astronomer_certified.errors import PublishError

from . import distributions
from .audit import Audit, operator
from .distributions import Refused
from .store import Store, Upload

_TIMEOUT = (10, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A file of the other index that is here; `new` says whether it was not before."""

    filename: str
    new: bool


def mirror(store: Store, url: str, projects: Iterable[NormalizedName]) -> Iterator[Copied]:
    """Each file once it is here. PublishError when the other index does not answer, or gives other bytes."""
    from pypi_simple import NoSuchProjectError, PyPISimple

    with requests.Session() as session:
        client = PyPISimple(url, session=session)
        for project in projects:
            try:
                page = client.get_project_page(project, timeout=_TIMEOUT)
                for package in page.packages:
                    yield from _copy(store, session, package.filename, package.url, package.digests.get("sha256"))
                    if package.is_yanked:
                        _yank(store, project, package.filename, package.yanked_reason or "")
            except NoSuchProjectError as err:
                raise PublishError(f"{url} has no {project}") from err
            except requests.RequestException as err:
                raise PublishError(f"{url} does not give all of {project}", details=[str(err)]) from err


def _copy(store: Store, session: requests.Session, filename: str, url: str, sha256: str | None) -> Iterator[Copied]:
    try:
        claimed = distributions.parse(filename)
    except Refused:
        return  # an egg, an installer for Windows: nothing that this index, or pip, has a use for
    if sha256 is None:
        raise PublishError(f"{filename} cannot be copied: the other index shows no sha256 of it")
    record = store.project(claimed.project)
    known = record.find(filename) if record is not None else None
    if known is not None and known.sha256 == sha256 and known.withheld is None:
        yield Copied(filename=filename, new=False)
        return
    with session.get(url, stream=True, timeout=_TIMEOUT) as answer:
        answer.raise_for_status()
        upload = Upload(filename=filename, sha256=sha256, uploader=f"mirrored by {operator()}")
        new = store.add(upload, cast(BinaryIO, _Body(answer)))
    Audit(store).note("mirrored", user=operator(), file=filename, source=url.partition("#")[0])
    yield Copied(filename=filename, new=new)


def _yank(store: Store, project: NormalizedName, filename: str, reason: str) -> None:
    store.change(
        project,
        lambda record: (
            record.holding(replace(file, yanked=reason)) if (file := record.find(filename)) is not None else record
        ),
    )


class _Body:
    """A response as a stream; a connection that breaks is an error, not an end."""

    def __init__(self, answer: requests.Response) -> None:
        self._chunks = answer.iter_content(1 << 20)

    def read(self, size: int = -1) -> bytes:
        return next(self._chunks, b"")
