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
from astronomer_certified.index.store import validation
from astronomer_certified.index.store.audit import Audit, operator
from astronomer_certified.index.store.records import ProjectRecord
from astronomer_certified.index.store.store import Store, Upload
from astronomer_certified.index.store.validation import ClaimedFile, Refused

_TIMEOUT = (10, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A file of the other index that is here; `new` says whether it was not before."""

    filename: str
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A file of the other index that is of no use here, such as an egg, and why."""

    filename: str
    why: str


def mirror(store: Store, url: str, projects: Iterable[NormalizedName]) -> Iterator[Copied | PassedOver]:
    """Each file once it is here, yanked if and only if it is there (PEP 592), and each that this index has no use for.

    A page gives files of its own project only: what it lists of another is named in the error and not copied, or the
    other index could put a file under a name that nobody asked it for.

    PublishError at the end, when everything else is here, for what the other index does not have or give, or this one
    does not take.
    """
    from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedContentTypeError, UnsupportedRepoVersionError

    silent = (requests.RequestException, UnsupportedContentTypeError, UnsupportedRepoVersionError, ValueError)
    missing: list[str] = []
    with requests.Session() as session:
        client = PyPISimple(url, session=session)
        for project in projects:
            try:
                page = client.get_project_page(project, timeout=_TIMEOUT)
            except NoSuchProjectError:
                missing.append(f"{project}: is not there")
                continue
            except silent as err:
                missing.append(f"{project}: {err}")
                continue
            for package in page.packages:
                try:
                    claimed = validation.parse(package.filename)
                except Refused as err:
                    yield PassedOver(filename=package.filename, why=str(err).partition("\n")[0])
                    continue
                if claimed.project != project:
                    missing.append(
                        f"{package.filename}: is listed on the page of {project}, but is of {claimed.project}"
                    )
                    continue
                try:
                    yield _copied(store, session, claimed, package.url, package.digests.get("sha256"))
                    _yank(store, project, package.filename, package.yanked_reason or "" if package.is_yanked else None)
                except (PublishError, requests.RequestException) as err:
                    missing.append(f"{package.filename}: {err}")
    if missing:
        raise PublishError(
            f"{len(missing)} of what was asked of {url} did not come; everything else is here",
            details=missing,
            hint="mirror it again when the cause is gone: what is here is not copied twice",
        )


def _copied(store: Store, session: requests.Session, claimed: ClaimedFile, url: str, sha256: str | None) -> Copied:
    filename = claimed.filename
    if sha256 is None:
        raise PublishError(f"{filename} cannot be copied: the other index shows no sha256 of it")
    record = store.project(claimed.project)
    known = record.find(filename) if record is not None else None
    if known is not None and known.sha256 == sha256 and known.withheld is None:
        return Copied(filename=filename, new=False)
    with session.get(url, stream=True, timeout=_TIMEOUT) as answer:
        answer.raise_for_status()
        upload = Upload(filename=filename, sha256=sha256, uploader=f"mirrored by {operator()}")
        new = store.add(upload, cast(BinaryIO, _Body(answer)))
    Audit(store).note("mirrored", user=operator(), file=filename, source=url.partition("#")[0])
    return Copied(filename=filename, new=new)


def _yank(store: Store, project: NormalizedName, filename: str, reason: str | None) -> None:
    record = store.project(project)
    known = record.find(filename) if record is not None else None
    if known is None or known.yanked == reason:
        return

    def change(record: ProjectRecord) -> ProjectRecord:
        file = record.find(filename)
        return record if file is None else record.holding(replace(file, yanked=reason))

    store.change(project, change)
    deed = "yanked" if reason is not None else "yank undone"
    Audit(store).note(deed, user=f"mirrored by {operator()}", file=filename, why=reason)


class _Body:
    """A response as a stream; a connection that breaks is an error, not an end."""

    def __init__(self, answer: requests.Response) -> None:
        self._chunks = answer.iter_content(1 << 20)

    def read(self, size: int = -1) -> bytes:
        return next(self._chunks, b"")
