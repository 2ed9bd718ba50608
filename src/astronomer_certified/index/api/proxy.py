"""Upstream's pages and files -> ours, each file checked against its page's sha256. Talks HTTP.

For operators whose clients reach this index only. What upstream gives no sha256 for is left out: it could not be
told from anything else. A page is asked for anew after ten minutes; while upstream is silent, the old one counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName

from astronomer_certified.effects.addresses import shown
from astronomer_certified.effects.disk import write_atomic
from astronomer_certified.errors import PublishError
from astronomer_certified.index.store.records import FileRecord, ProjectRecord, Status, timestamp

from .upstream_cache import UpstreamCache, UpstreamPage

if TYPE_CHECKING:
    import requests
    from pypi_simple import DistributionPackage

# Bytes. The largest page of the public index has some ten million; a wheel's METADATA may have thousands of pins.
_PAGE = 32 << 20
_METADATA = 16 << 20

# What upstream says becomes the name of a file here, and stands in pages: nothing that means something in either.
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!-]*")
_LONGEST = 255

# A large page takes seconds of Python: one at a time, so that the others who answer get their turns.
_parsing = threading.Lock()


class UpstreamSilent(PublishError):
    """Upstream does not answer, and nothing is kept of what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """A file on its way from upstream."""

    size: int | None
    pieces: Iterator[bytes]


class Proxy:
    """Upstream, as far as it may be seen through this index. From any thread and process.

    Files come from public addresses, from upstream's own, and from the hosts that the operator named (HOST:PORT, or
    HOST): what upstream's pages say chooses nothing else.
    """

    def __init__(self, url: str, cache: UpstreamCache, hosts: Collection[str] = ()) -> None:
        from astronomer_certified.effects.web import host_of  # here: with requests, a fifth of a second

        self._url = url
        self._cache = cache
        self._hosts = (host_of(url), *hosts)

    def project(self, name: NormalizedName) -> ProjectRecord | None:
        """The project as upstream lists it; None when it has none. UpstreamSilent when nobody knows."""
        page = self._page(name)
        return page.record if page is not None else None

    def _page(self, name: NormalizedName) -> UpstreamPage | None:
        if self._cache.is_absent(name):
            return None
        if (fresh := self._cache.page(name)) is not None:
            return fresh
        try:
            page = self._ask(name)
        except UpstreamSilent:
            if (old := self._cache.page(name, stale=True)) is not None:
                return old
            raise
        if page is None:
            self._cache.note_absent(name)
        else:
            self._cache.keep_page(name, page)
        return page

    def metadata(self, name: NormalizedName, filename: str) -> Path | None:
        """A wheel's METADATA, kept; None when upstream offers none."""
        found = self._find(name, filename)
        if found is None or found[0].metadata_sha256 is None:
            return None
        file, url = found
        kept = self._cache.place(file.sha256, f"{filename}.metadata")
        if not self._cache.has(kept, found[0].metadata_sha256):
            # PEP 658: beside the file. A fragment of its address is a hash.
            content = self._get(f"{url.partition('#')[0]}.metadata", _METADATA)
            if hashlib.sha256(content).hexdigest() != file.metadata_sha256:
                raise UpstreamSilent(f"upstream's metadata of {filename} is not what its page says")
            write_atomic(kept, content)
            self._cache.wrote(len(content))
        return kept

    def file(self, name: NormalizedName, filename: str) -> Path | Passing | None:
        """The file: kept and whole, or on its way; None when upstream lists none of that name."""
        found = self._find(name, filename)
        if found is None:
            return None
        file, url = found
        kept = self._cache.place(file.sha256, filename)
        if self._cache.has(kept, file.sha256):
            return kept
        with contextlib.ExitStack() as stack:
            # Not compressed on its way: only then is Content-Length the size of the file.
            answer = stack.enter_context(self._asking(url, {"Accept-Encoding": "identity"}))
            length = answer.headers.get("Content-Length", "")
            size = int(length) if length.isdecimal() and not answer.headers.get("Content-Encoding") else None
            # `pop_all`: the answer stays open until its pieces are read.
            return Passing(size=size, pieces=self._through(stack.pop_all(), answer, file, kept))

    def _find(self, name: NormalizedName, filename: str) -> tuple[FileRecord, str] | None:
        page = self._page(name)
        return page.find(filename) if page is not None else None

    def _ask(self, name: NormalizedName) -> UpstreamPage | None:
        from pypi_simple import ACCEPT_JSON_PREFERRED, UnsupportedContentTypeError, UnsupportedRepoVersionError

        try:
            with self._asking(f"{self._url}{name}/", {"Accept": ACCEPT_JSON_PREFERRED}, absent=(404, 410)) as answer:
                if not answer.ok:
                    return None
                body = _read(answer, _PAGE)
                with _parsing:
                    return _understood(name, answer, body)
        except UpstreamSilent as err:
            raise UpstreamSilent(f"upstream does not tell what it has of {name}", details=err.details) from err
        except (UnsupportedContentTypeError, UnsupportedRepoVersionError, ValueError) as err:
            why = f"{type(err).__name__}: {str(err)[:300]}"
            raise UpstreamSilent(f"upstream does not tell what it has of {name}", details=[why]) from err

    def _get(self, url: str, limit: int) -> bytes:
        with self._asking(url, {}) as answer:
            return _read(answer, limit)

    @contextlib.contextmanager
    def _asking(
        self, url: str, headers: Mapping[str, str], absent: Collection[int] = ()
    ) -> Iterator[requests.Response]:
        """An answer whose body is still to come; every failure of the network is an `UpstreamSilent`."""
        import requests

        from astronomer_certified.effects.web import TIMEOUT, NotPublic, TooMuch, session

        try:
            with (
                session(self._hosts) as client,
                client.get(url, headers=dict(headers), timeout=TIMEOUT, stream=True) as answer,
            ):
                if answer.status_code not in absent:
                    answer.raise_for_status()
                yield answer
        except (requests.RequestException, NotPublic, TooMuch) as err:
            # The log has the whole; a client learns what it asked for, and nothing of the network in here.
            print(f"certified: upstream does not give {shown(url)[:300]!a}: {err}", file=sys.stderr, flush=True)
            raise UpstreamSilent("upstream does not give this", details=[str(err)[:300]]) from err

    def _through(
        self, stack: contextlib.ExitStack, answer: requests.Response, file: FileRecord, kept: Path
    ) -> Iterator[bytes]:
        """The bytes as they come, and kept at the end. The last ones are held back until the whole is known to be
        right, so that a client never gets all of a wrong file."""
        from astronomer_certified.effects.web import pieces

        # A page need not state a size (PEP 700); then as much is taken as could be kept.
        limit = file.size if file.size >= 0 else self._cache.quota
        digest, held = hashlib.sha256(), b""
        with stack, self._cache.keeping(kept) as keeping:
            for piece in pieces(answer, limit):
                digest.update(piece)
                keeping.write(piece)
                if held:
                    yield held
                held = piece
            if digest.hexdigest() != file.sha256:
                raise UpstreamSilent(f"upstream's {kept.name} is not what its page says")
            keeping.whole()
        yield held


def _read(answer: requests.Response, limit: int) -> bytes:
    from astronomer_certified.effects.web import pieces

    return b"".join(pieces(answer, limit))


def _understood(name: NormalizedName, answer: requests.Response, body: bytes) -> UpstreamPage:
    """The page of a project. Raises ValueError, or what pypi_simple does, for what is no such page."""
    from pypi_simple import DistributionPackage, ProjectPage, RepositoryPage, UnsupportedContentTypeError

    kind, _, rest = answer.headers.get("Content-Type", "text/html").partition(";")
    kind = kind.strip().lower()
    if kind == "application/vnd.pypi.simple.v1+json":
        values = json.loads(body)
        status, reason = _status(values.pop("project-status", None) or {})
        packages = ProjectPage.from_json_data(values, answer.url).packages
    elif kind in ("text/html", "application/vnd.pypi.simple.v1+html"):
        charset = rest.partition("charset=")[2].strip().strip('"') or None
        page = RepositoryPage.from_html(body, answer.url, charset)
        said = {key: words[0] for key, words in page.pypi_meta.items() if words}
        status, reason = _status({"status": said.get("project-status"), "reason": said.get("project-status-reason")})
        packages = [DistributionPackage.from_link(link, name) for link in page.links]
    else:
        raise UnsupportedContentTypeError(answer.url, kind)
    files = list(_usable(packages))
    record = ProjectRecord(name=name, files=tuple(file for file, _ in files), status=status, reason=reason)
    return UpstreamPage(record=record, urls={file.filename: url for file, url in files})


def _status(said: Mapping[str, object]) -> tuple[Status, str | None]:
    """What upstream says of the project (PEP 792). One that this program does not know forbids nothing here: what it
    means for an installer, the installer must know, and it is told the reason."""
    stated, reason = said.get("status"), said.get("reason")
    status = next((known for known in Status if known.value == stated), Status.ACTIVE)
    return status, str(reason) if reason else None


def _usable(packages: Iterable[DistributionPackage]) -> Iterator[tuple[FileRecord, str]]:
    for package in packages:
        sha256 = _sha256(package.digests)
        if sha256 is not None and _FILENAME.fullmatch(package.filename) and len(package.filename) <= _LONGEST:
            yield _record(package, sha256), package.url


def _sha256(digests: Mapping[str, str] | None) -> str | None:
    """The sha256 among digests in 64 hexadecimal digits; None for what only calls itself one."""
    stated = (digests or {}).get("sha256", "")
    return stated if _SHA256.fullmatch(stated) else None


def _record(package: DistributionPackage, sha256: str) -> FileRecord:
    uploaded = package.upload_time
    return FileRecord(
        filename=package.filename,
        version=package.version or "0",
        sha256=sha256,
        size=package.size if package.size is not None else -1,
        uploaded=timestamp(uploaded.timestamp()) if uploaded is not None else "",
        uploader="upstream",
        requires_python=package.requires_python,
        metadata_sha256=_sha256(package.metadata_digests),
        yanked=(package.yanked_reason or "") if package.is_yanked else None,
    )
