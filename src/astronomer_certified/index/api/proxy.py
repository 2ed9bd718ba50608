"""Upstream's pages and files -> ours, each file checked against its page's sha256. Talks HTTP.

For operators whose clients reach this index only. What upstream gives no sha256 for is left out: it could not be
told from anything else. A page is asked for anew after ten minutes; while upstream is silent, the old one counts.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import sys
import time
import weakref
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName, canonicalize_name

from astronomer_certified.effects.addresses import shown
from astronomer_certified.errors import PublishError
from astronomer_certified.index.store.records import FileRecord, ProjectRecord, Status
from astronomer_certified.index.store.validation import LONGEST as LONGEST_NAME

from .listings import LONGEST, Listed, Listing, Listings
from .upstream_cache import Keeping, UpstreamCache, UpstreamPage

if TYPE_CHECKING:
    import requests

# Bytes. A wheel's METADATA may have thousands of pins.
_METADATA = 16 << 20

# What upstream says becomes the name of a file here, and stands in pages: nothing that means something in either.
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!-]*")

# Characters of what stands with each file: a longer Requires-Python is no installer's, and is left out with its file.
_LONGEST_PYTHON = 1000

# Seconds for a page, for which somebody waits. Ten million bytes take two of them as JSON, and ten as HTML.
_PATIENCE = 20.0


class UpstreamSilent(PublishError):
    """Upstream does not answer, and nothing is kept of what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """A file on its way from upstream."""

    size: int | None
    pieces: Generator[bytes, None, None]
    """It comes as it is asked for; what was given is on disk by then, where it is kept."""
    answer: contextlib.ExitStack
    kept: Path | None
    """Where it can be read while it comes; None where there is no room for it, or nobody knows whether there is."""
    is_lost: Callable[[], bool]
    """Whether it is kept no more, for want of room."""
    hang_up: Callable[[], None]
    """Upstream is not waited for any more, whoever does. From any thread."""

    def close(self) -> None:
        """Nothing more is asked of upstream, and what is not whole is not kept."""
        self.pieces.close()
        self.answer.close()  # of a generator that was never begun, nothing is closed


class Proxy:
    """Upstream, as far as it may be seen through this index. From any thread and process.

    Files come from public addresses, from upstream's own, and from the hosts that the operator named (HOST:PORT, or
    HOST): what upstream's pages say chooses nothing else.
    """

    def __init__(self, url: str, cache: UpstreamCache, hosts: Collection[str] = ()) -> None:
        from astronomer_certified.effects.web import Login, host_of  # here: with requests, a fifth of a second

        # Apart from each other: what a page names is taken from its address, and kept.
        self._url, self._login = shown(url), Login.of(url)
        self._cache = cache
        self.name = cache.name
        """Under which it is one of those who pass a request on (RFC 9110, 7.6.3)."""
        self._listings = Listings(_PATIENCE)
        self._hosts = (host_of(url), *hosts)
        # Those that nobody waits for any more: that they break off is no news of upstream's.
        self._left: weakref.WeakSet[requests.Response] = weakref.WeakSet()

    def close(self) -> None:
        """Nothing more is asked."""
        self._listings.close()

    def page(self, name: NormalizedName) -> UpstreamPage | None:
        """The project as upstream lists it; None when it has none. UpstreamSilent when nobody knows."""
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

    def metadata(self, name: NormalizedName, filename: str) -> Path | bytes | None:
        """A wheel's METADATA, kept, or itself where there is no room for it; None when upstream offers none."""
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
            with self._cache.keeping(kept, len(content)) as keeping:
                keeping.write(content)
                keeping.whole()
            return kept if keeping.is_kept else content
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
            coded = answer.headers.get("Content-Encoding") or answer.headers.get("Transfer-Encoding")
            size = int(length) if length.isdecimal() and not coded else None
            if size is not None and file.size >= 0 and size != file.size:
                raise UpstreamSilent(f"upstream's {filename} is not as long as its page says")
            expected = size if size is not None else file.size
            keeping = stack.enter_context(self._cache.keeping(kept, expected))
            # `pop_all`: the answer stays open until its pieces are read.
            held = stack.pop_all()
            pieces = self._through(held, answer, file, keeping)
            return Passing(
                size=size,
                pieces=pieces,
                answer=held,
                # Whose size nobody states may find no room in the end, and others would have read of it.
                kept=keeping.beside if expected >= 0 else None,
                is_lost=lambda: keeping.lost,
                hang_up=functools.partial(self._hang_up, answer),
            )

    def _find(self, name: NormalizedName, filename: str) -> tuple[FileRecord, str] | None:
        page = self.page(name)
        return page.find(filename) if page is not None else None

    def _ask(self, name: NormalizedName) -> UpstreamPage | None:
        from pypi_simple import ACCEPT_JSON_PREFERRED

        try:
            with self._asking(f"{self._url}{name}/", {"Accept": ACCEPT_JSON_PREFERRED}, absent=(404, 410)) as answer:
                if not answer.ok:
                    return None
                kind = answer.headers.get("Content-Type", "text/html")
                return _page(name, self._listings.read(_read(answer, LONGEST), kind, answer.url))
        except UpstreamSilent as err:
            raise UpstreamSilent(f"upstream does not tell what it has of {name}", details=err.details) from err
        except PublishError as err:
            why = [err.what, *err.details]
            raise UpstreamSilent(f"upstream does not tell what it has of {name}", details=why) from err

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

        begun: requests.Response | None = None
        try:
            with (
                session(self._hosts, self._login) as client,
                client.get(url, headers={"Via": f"1.1 {self.name}", **headers}, timeout=TIMEOUT, stream=True) as answer,
            ):
                if answer.status_code not in absent:
                    answer.raise_for_status()
                begun = answer
                yield answer
        # ValueError: what cannot be an address, of a link or a redirect, in words of requests, urllib3 or codecs.
        except (requests.RequestException, NotPublic, TooMuch, ValueError) as err:
            # The log has the whole; a client learns what it asked for, and nothing of the network in here.
            if begun is None or begun not in self._left:
                said = f"certified: upstream does not give {shown(url)[:300]!a}: {_named(err, url)!a}"
                print(said, file=sys.stderr, flush=True)
            raise UpstreamSilent("upstream does not give this", details=[_named(err, url)]) from err

    def _hang_up(self, answer: requests.Response) -> None:
        """Who reads there is told that it has ended."""
        self._left.add(answer)
        with contextlib.suppress(Exception):  # it has ended by itself, or of a kind that cannot be told
            answer.raw.shutdown()

    def _through(
        self, stack: contextlib.ExitStack, answer: requests.Response, file: FileRecord, keeping: Keeping
    ) -> Generator[bytes, None, None]:
        """The bytes as they come, and kept at the end. The last ones are held back until the whole is known to be
        right, so that a client never gets all of a wrong file."""
        from astronomer_certified.effects.web import pieces

        # A page need not state a size (PEP 700); then as much is taken as could be kept.
        limit = file.size if file.size >= 0 else self._cache.quota
        digest, held = hashlib.sha256(), b""
        with stack:
            for piece in pieces(answer, limit):
                digest.update(piece)
                keeping.write(piece)
                if held:
                    yield held
                held = piece
            if digest.hexdigest() != file.sha256:
                raise UpstreamSilent(f"upstream's {file.filename} is not what its page says")
            keeping.whole()
        yield held


def _named(err: Exception, url: str) -> str:
    """What went wrong, without the login that is part of an address."""
    return str(err).replace(url, shown(url))[:300]


def _read(answer: requests.Response, limit: int) -> bytes:
    from astronomer_certified.effects.web import pieces

    return b"".join(pieces(answer, limit))


def _page(name: NormalizedName, listing: Listing) -> UpstreamPage:
    """The page as it may be passed on. Of a status that this program does not know nothing is forbidden here: what it
    means for an installer, the installer must know, and it is told the reason (PEP 792)."""
    files = {file.filename: (_record(file), file.url) for file in listing.files if _is_usable(name, file)}
    record = ProjectRecord(
        name=name,
        files=tuple(file for file, _ in files.values()),
        status=next((known for known in Status if known.value == listing.status), Status.ACTIVE),
        reason=listing.reason,
    )
    urls = {filename: url for filename, (_, url) in files.items()}
    return UpstreamPage(record=record, urls=urls, read=time.time_ns())


def _is_usable(name: NormalizedName, file: Listed) -> bool:
    """Whether it has a hash, which only 64 hexadecimal digits are, a name that is one, of this project, and says no
    more of itself than installers read."""
    named = _FILENAME.fullmatch(file.filename) is not None and len(file.filename) <= LONGEST_NAME
    python = file.requires_python or ""
    return named and _is_of(name, file.filename) and _is_sha256(file.sha256) and len(python) <= _LONGEST_PYTHON


def _is_of(name: NormalizedName, filename: str) -> bool:
    """Whether a file may be of the project: an address below its name must give nothing of another."""
    if filename.endswith(".whl"):
        return canonicalize_name(filename.partition("-")[0]) == name
    # Where the name of an sdist of old ends, and its version begins, only its project tells.
    return canonicalize_name(filename).startswith(f"{name}-")


def _is_sha256(stated: str | None) -> bool:
    return stated is not None and _SHA256.fullmatch(stated) is not None


def _record(file: Listed) -> FileRecord:
    return FileRecord(
        filename=file.filename,
        version=file.version or "0",
        sha256=file.sha256 or "",
        size=file.size if file.size is not None else -1,
        uploaded=file.uploaded or "",
        uploader="upstream",
        requires_python=file.requires_python,
        metadata_sha256=file.metadata_sha256 if _is_sha256(file.metadata_sha256) else None,
        yanked=file.yanked,
    )
