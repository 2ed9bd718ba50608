"""Another index's project -> the same files in this store, each checked against that index's sha256. Talks HTTP.

The files keep their yanks; their upload time is when they came here, which is when this index published them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import requests
from packaging.utils import NormalizedName

from astronomer_certified.effects.addresses import shown
from astronomer_certified.effects.web import TIMEOUT, Login, NotPublic, TooMuch, host_of, pieces, session
from astronomer_certified.errors import PublishError
from astronomer_certified.index.api.fallback import Fallback
from astronomer_certified.index.api.listings import LONGEST, Listed, Listings
from astronomer_certified.index.store import validation
from astronomer_certified.index.store.audit import Audit, operator
from astronomer_certified.index.store.incoming import Upload
from astronomer_certified.index.store.records import ProjectRecord
from astronomer_certified.index.store.store import Store
from astronomer_certified.index.store.validation import ClaimedFile, Refused

# How the uploader of a file is called that another index gave.
_MIRRORED = "mirrored by"

# What is an error of one project or file, and no reason to ask for no other: ValueError for addresses that are none.
_REFUSALS = (PublishError, NotPublic, TooMuch, requests.RequestException, ValueError)

# Seconds for a page. An old index, with HTML only, takes 1 ms for each of its files.
_PATIENCE = 120.0

# Bytes of one file; the other index may send without end.
_LARGEST = 20 << 30


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Another index, and what it may give."""

    url: str
    """Its simple API."""
    hosts: tuple[str, ...] = ()
    """HOST or HOST:PORT: private machines that its pages may name, besides its own."""
    protected: tuple[str, ...] | None = ()
    """Normalized names, or patterns, that it gives nothing of; None when it is one of ours and may give all."""

    def may_give(self, store: Store, project: NormalizedName) -> bool:
        """Whether its files may stand under that name: a protected one, or one that has files which were published
        here, is nobody else's."""
        if self.protected is None:
            return True
        if Fallback(protected=self.protected).is_protected(project):
            return False
        record = store.project(project)
        return record is None or all(file.uploader.startswith(_MIRRORED) for file in record.files)


def mirror(store: Store, source: Source, projects: Iterable[NormalizedName]) -> Iterator[Copied | PassedOver]:
    """Each file once it is here, yanked if and only if it is there (PEP 592), and each that this index has no use for.

    A page gives files of its own project only: what it lists of another is named in the error and not copied, or the
    other index could put a file under a name that nobody asked it for.

    PublishError at the end, when everything else is here, for what the other index does not have or give, or this one
    does not take.
    """
    missing: list[str] = []
    hosts = (host_of(source.url), *source.hosts)
    with session(hosts, Login.of(source.url)) as client, contextlib.closing(Listings(_PATIENCE)) as listings:
        copying = _Copying(store, source, client, listings, missing)
        for project in projects:
            yield from copying.project(project)
    if missing:
        raise PublishError(
            f"{len(missing)} of what was asked of {shown(source.url)} did not come; everything else is here",
            details=missing,
            hint="mirror it again when the cause is gone: what is here is not copied twice",
        )


@dataclass(frozen=True, slots=True)
class _Copying:
    store: Store
    source: Source
    client: requests.Session
    listings: Listings
    missing: list[str]
    """A line for all that did not come; whatever a stranger said is in it in ASCII, escaped."""

    def project(self, project: NormalizedName) -> Iterator[Copied | PassedOver]:
        """What comes of it; the rest is noted, and no reason to ask for nothing else."""
        try:
            if not self.source.may_give(self.store, project):
                self.missing.append(
                    f"{project}: is ours and comes from nowhere else; from an index of ours, say --ours"
                )
                return
            listed = self._listed(project)
        except _REFUSALS as err:
            self.missing.append(f"{project}: {_said(err)}")
            return
        if listed is None:
            self.missing.append(f"{project}: is not there")
            return
        for file in listed:
            try:
                claimed = validation.parse(file.filename)
            except Refused as err:
                yield PassedOver(filename=file.filename, why=str(err).partition("\n")[0])
                continue
            if claimed.project != project:
                self.missing.append(f"{file.filename}: is listed on the page of {project}, but is of {claimed.project}")
                continue
            try:
                # The yank also of a file that was here before: it may have been yanked there since.
                yield _copied(self.store, self.client, claimed, file)
                _yank(self.store, project, file.filename, file.yanked)
            except _REFUSALS as err:
                self.missing.append(f"{file.filename}: {_said(err)}")

    def _listed(self, project: NormalizedName) -> tuple[Listed, ...] | None:
        """The files of its page; None when there is none. What has no address is noted."""
        from pypi_simple import ACCEPT_JSON_PREFERRED

        # Without the login, which would become part of all addresses that the page names.
        url = f"{shown(self.source.url).rstrip('/')}/{project}/"
        with self.client.get(url, headers={"Accept": ACCEPT_JSON_PREFERRED}, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code in (404, 410):
                return None
            answer.raise_for_status()
            body = b"".join(pieces(answer, LONGEST))
            listing = self.listings.read(body, answer.headers.get("Content-Type", "text/html"), answer.url)
            self.missing.extend(f"{name[:300]!a}: its address is none" for name in listing.unreachable)
            return listing.files


def _said(err: Exception) -> str:
    return str(err) if isinstance(err, PublishError) else str(err)[:300].encode("unicode_escape").decode()


def _copied(store: Store, client: requests.Session, claimed: ClaimedFile, listed: Listed) -> Copied:
    filename, url, sha256 = claimed.filename, listed.url, listed.sha256
    if sha256 is None:
        raise PublishError(f"{filename} cannot be copied: the other index shows no sha256 of it")
    record = store.project(claimed.project)
    known = record.find(filename) if record is not None else None
    # One that is withheld is asked for again: the right bytes repair it.
    if known is not None and known.sha256 == sha256 and known.withheld is None:
        return Copied(filename=filename, new=False)
    with client.get(url, stream=True, timeout=TIMEOUT) as answer:
        answer.raise_for_status()
        upload = Upload(filename=filename, sha256=sha256, uploader=f"{_MIRRORED} {operator()}")
        new = store.add(upload, cast(BinaryIO, _Body(answer, listed.size)))
    Audit(store).note("mirrored", user=operator(), file=filename, source=shown(url.partition("#")[0]))
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
    Audit(store).note(deed, user=f"{_MIRRORED} {operator()}", file=filename, why=reason)


class _Body:
    """A response as a stream; a connection that breaks is an error, not an end."""

    def __init__(self, answer: requests.Response, size: int | None) -> None:
        self._pieces = pieces(answer, _LARGEST if size is None else min(size, _LARGEST))

    def read(self, size: int = -1) -> bytes:
        # Pieces of any size will do for `incoming.copy`, which reads to the end.
        return next(self._pieces, b"")
