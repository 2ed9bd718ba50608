"""Request line and headers -> answer, for everything that is read by installers. Reads the store; writes nothing.

An answer says on which file of the store it depends: whoever keeps it looks at that file's time before giving it again,
and so several processes serve one store without telling each other anything.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import NormalizedName

from astronomer_certified.index.store import validation
from astronomer_certified.index.store.records import FileRecord, ProjectRecord
from astronomer_certified.index.store.store import Store, whole

from . import negotiation, pages
from .compression import compress, encodings
from .fallback import Fallback, Mode
from .page_cache import PageCache
from .pages import HTML, JSON, Places
from .record_cache import KnownRecord, RecordCache, State

# Keep it, but ask each time whether it is still the same: one 304 without a body.
_PAGE_POLICY = "no-cache"

_FILE_POLICY = "public, max-age=31536000, immutable"

# Bytes. Below it, compression saves no packet.
_COMPRESSED_FROM = 500

_SOUND_KEPT = 20_000

# Bytes of a record, or of the list of names, up to which it is read while others wait: some 200 files, 5 ms.
_AT_ONCE = 64 << 10

# Bytes of a file up to which it is read, and compared with its hash, before it is sent.
SMALL = 64 << 10

_Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to send. Either `body`, or the bytes `span` of `file`."""

    status: int
    headers: _Headers = ()
    body: bytes = b""
    file: Path | None = None
    span: tuple[int, int] = (0, 0)
    depends: Path | None = None
    """The file of the store whose change makes this answer old; None for what must not be kept."""
    stamp: int = 0
    """The modification time that `depends` had, in nanoseconds; 0 when it was not there."""
    route: str = "other"
    reason: str = ""
    """Why, in one line of ASCII: for the status line, where clients show nothing else. Empty: the usual phrase."""

    @property
    def length(self) -> int:
        """Bytes of the body that is sent."""
        return self.span[1] - self.span[0] if self.file is not None else len(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the index is for its clients, and who hands out the files."""

    public_url: str | None = None
    """With scheme and host, ending in a slash. Its path is taken off requests that come with it."""
    accel: str | None = None
    """A prefix for X-Accel-Redirect: the web server in front sends the file itself."""

    @property
    def prefix(self) -> str:
        """The path below which the index is served, without the slash at its end; empty at the root of a host."""
        return urlsplit(self.public_url or "").path.rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A file that is to be sent: where it lies, what it must be (its size where it is known), and whose it is.

    The answer holds as long as the modification time of `depends` is `stamp`, in nanoseconds since 1970.
    """

    path: Path
    sha256: str
    size: int | None
    file: FileRecord
    route: str
    depends: Path
    stamp: int


class TakesLong(Exception):
    """An answer that others should not wait for. Once `prepare` was called, in whatever thread, it takes no time."""

    def __init__(self, prepare: Callable[[], object]) -> None:
        super().__init__()
        self.prepare = prepare


class Site:
    """The index as its clients see it. For one thread that answers, which others may prepare for."""

    def __init__(self, store: Store, fallback: Fallback, address: Address) -> None:
        self._store = store
        self._fallback = fallback
        self.address = address
        self.prefix = address.prefix
        self._pages = PageCache()
        public = address.public_url
        self._places = Places(provenance=f"{public}integrity/" if public else None)
        self._records = RecordCache(store)
        self._sound: dict[Path, tuple[int, int, int]] = {}

    def answer(self, target: str, headers: Mapping[str, str]) -> Answer | None:
        """The answer to a GET of `target`, as it stands in the request line; None when it is not for this module.

        `headers` have lower-case names. The answer to a HEAD is the same, sent without its body. Raises `TakesLong`
        where something large is to be read first: then prepare it, and ask again.
        """
        path, _, query = target.partition("?")
        if path == self.prefix != "":
            return _moved(f"{path.rpartition('/')[2]}/", "redirect")  # or no relative link would be right
        path = path.removeprefix(self.prefix)
        if path.startswith("/simple/"):
            return self._simple(path[8:], query, headers)
        if path.startswith("/packages/") and path != "/packages/":
            return self._file(path[10:], headers)
        if path.startswith("/integrity/"):
            return self._provenance(path[11:], headers)
        if path == "/health":
            return Answer(status=200, headers=(("Content-Type", "text/plain"),), body=b"Ok", route="health")
        if path == "/simple":
            return _moved(f"simple/{'?' + query if query else ''}", "redirect")
        return None

    # --- pages

    def _simple(self, rest: str, query: str, headers: Mapping[str, str]) -> Answer | None:
        if rest == "":
            return self._page(None, query, headers)
        name = unquote(rest.removesuffix("/"))
        project = validation.project_name(name)
        if project is None:
            return _text(404, "There is no such project: it is no valid name.", "project")
        if project != name or not rest.endswith("/"):
            # Relative to what was asked, so that it is right below any path.
            up = "../" if rest.endswith("/") else ""
            return _moved(f"{up}{project}/{'?' + query if query else ''}", "redirect")
        return self._page(project, query, headers)

    def _page(self, project: NormalizedName | None, query: str, headers: Mapping[str, str]) -> Answer | None:
        depends = self._store.names_file if project is None else self._store.record_file(project)
        state = State.of(depends)
        stamp = state.stamp
        if stamp == 0 and project is not None:
            return self._elsewhere(project, depends)
        media = negotiation.content_type(headers.get("accept", ""), negotiation.wanted(query))
        if media is None:
            return not_acceptable()
        encoding = negotiation.encoding(headers.get("accept-encoding", ""), encodings())
        body, etag, encoding = self._rendered(project, state, json=media == JSON, encoding=encoding)
        common = (
            ("ETag", etag), ("Cache-Control", _PAGE_POLICY), ("Vary", "Accept, Accept-Encoding"),
            *((("Content-Encoding", encoding),) if encoding else ()),
        )  # fmt: skip
        route = "list" if project is None else "project"
        if negotiation.matches(headers.get("if-none-match", ""), etag):
            return Answer(status=304, headers=common, depends=depends, stamp=stamp, route=route)
        return Answer(
            status=200,
            headers=(("Content-Type", media), *common),
            body=body,
            depends=depends,
            stamp=stamp,
            route=route,
        )

    def _rendered(
        self, project: NormalizedName | None, state: State, *, json: bool, encoding: str | None
    ) -> tuple[bytes, str, str | None]:
        """The page, its entity tag, and how it is compressed: a short one is not."""
        key = (project, json)
        known = self._pages.known((*key, encoding), state.stamp)
        if known is not None:
            return *known, encoding
        plain = self._pages.known((*key, None), state.stamp)
        if plain is not None and (encoding is None or len(plain[0]) < _COMPRESSED_FROM):
            return *plain, None

        def make() -> tuple[bytes, str, str | None]:
            page = self._pages.get((*key, None), state.stamp, lambda: self._render(project, state.stamp, json=json))
            if encoding is None or len(page[0]) < _COMPRESSED_FROM:
                return *page, None
            smaller = functools.partial(compress, page[0], encoding)
            return *self._pages.get((*key, encoding), state.stamp, smaller), encoding

        if state.size > _AT_ONCE:
            raise TakesLong(make)
        return make()

    def _render(self, project: NormalizedName | None, stamp: int, *, json: bool) -> bytes:
        if project is None:
            names = self._store.names()
            return pages.list_json(names) if json else pages.list_html(names)
        known = self._records.read(project, stamp)
        record = known.record if known is not None else ProjectRecord(name=project)
        return pages.project_json(record, self._places) if json else pages.project_html(record, self._places)

    def _elsewhere(self, project: NormalizedName, depends: Path) -> Answer | None:
        """A project that nothing was ever published of here."""
        if self._fallback.is_protected(project):
            text = f"{project} is not published here, and is not taken from anywhere else."
            return _text(404, text, "project", depends)
        if self._fallback.mode is Mode.PROXY:
            return None
        url = self._fallback.page(project)
        if url is None:
            return _text(404, f"{project} is not published here.", "project", depends)
        # Found, and not moved: the name is ours from its first file on, which no client may miss.
        return Answer(status=302, headers=(("Location", url),), depends=depends, route="fallback")

    # --- files

    def _file(self, rest: str, headers: Mapping[str, str]) -> Answer | None:
        # Old clients put the folder of a project before the name; nothing here has folders.
        name = unquote(rest)
        metadata = name.endswith(".metadata")
        filename = name.removesuffix(".metadata")
        known = self._having(filename)
        file = known.files.get(filename) if known is not None else None
        if known is None or file is None:
            return _text(404, "There is no such file.", "file")
        record, stamp = known.record, known.stamp
        depends = self._store.record_file(record.name)
        if not record.serves(file):
            return _text(410, f"{filename} is withheld: {file.withheld or record.reason or record.status}.", "file")
        if metadata:
            if file.metadata_sha256 is None:
                return _text(404, f"{filename} has no metadata of its own here.", "metadata")
            path, etag, size = self._store.metadata(filename), file.metadata_sha256, None
        else:
            path, etag, size = self._store.file(filename), file.sha256, file.size
        route = "metadata" if metadata else "file"
        sent = _Sent(path=path, sha256=etag, size=size, file=file, route=route, depends=depends, stamp=stamp)
        return self._send(sent, headers)

    def _having(self, filename: str) -> KnownRecord | None:
        """The record of the project that a file of that name would be of. Looked up, not parsed: what a stranger asks
        for may be a name that takes long to read, and only names that were read once are in a record."""
        stem = filename.removesuffix(".tar.gz")
        name = stem.rpartition("-")[0] if stem != filename else filename.partition("-")[0]
        project = validation.project_name(name)
        if project is None:
            return None
        state = State.of(self._store.record_file(project))
        if state.stamp == 0:
            return None
        known = self._records.known(project, state.stamp)
        if known is None and state.size > _AT_ONCE:
            raise TakesLong(functools.partial(self._records.read, project, state.stamp))
        return known or self._records.read(project, state.stamp)

    def _provenance(self, rest: str, headers: Mapping[str, str]) -> Answer | None:
        filename = unquote(rest)
        known = self._having(filename)
        file = known.files.get(filename) if known is not None else None
        if known is None or file is None:
            return _text(404, "There is no such file.")
        if file.provenance_sha256 is None:
            return _text(404, f"{filename} was published without provenance.")
        sent = _Sent(
            path=self._store.provenance(filename), sha256=file.provenance_sha256, size=None, file=file,
            route="provenance", depends=self._store.record_file(known.record.name), stamp=known.stamp,
        )  # fmt: skip
        return self._send(sent, headers)

    def _send(self, sent: _Sent, headers: Mapping[str, str]) -> Answer:
        path, route, depends, stamp = sent.path, sent.route, sent.depends, sent.stamp
        there = self._size(path, sent.sha256)
        if there is None or sent.size not in (None, there):
            # Changed, cut short or gone behind our back. `certified index verify` says more.
            return _text(410, f"{path.name} is damaged here and withheld.", route)
        etag = f'"{sent.sha256}"'
        kind = {"metadata": "text/plain; charset=utf-8", "provenance": "application/vnd.pypi.integrity.v1+json"}
        base = (
            ("Content-Type", kind.get(route, "application/octet-stream")),
            ("ETag", etag),
            ("Last-Modified", _http_date(sent.file.uploaded)),
            ("Cache-Control", _FILE_POLICY),
            ("Accept-Ranges", "bytes"),
            ("X-Content-Type-Options", "nosniff"),
        )
        if self.address.accel is not None and route == "file":
            # Before conditions and ranges, which the web server in front looks at itself.
            accel = (("X-Accel-Redirect", self.address.accel + quote(path.name)),)
            return Answer(status=200, headers=base + accel, depends=depends, stamp=stamp, route=route)
        if "if-match" in headers and not negotiation.matches_exactly(headers["if-match"], etag):
            return _text(412, "The file has another entity tag.", route)
        # In this order: If-Modified-Since counts only where there is no If-None-Match (RFC 9110, 13.2.2).
        if "if-none-match" in headers:
            same = negotiation.matches(headers["if-none-match"], etag)
        else:
            same = negotiation.unchanged_since(headers.get("if-modified-since", ""), dict(base)["Last-Modified"])
        if same:
            return Answer(status=304, headers=base[1:], depends=depends, stamp=stamp, route=route)
        span = None
        wants = headers.get("range")
        if wants and headers.get("if-range", etag) in (etag, dict(base)["Last-Modified"]):
            try:
                span = negotiation.byte_range(wants, there)
            except ValueError:
                return Answer(status=416, headers=(("Content-Range", f"bytes */{there}"),), route=route)
        if span is not None:
            partial = (*base, ("Content-Range", f"bytes {span[0]}-{span[1] - 1}/{there}"))
            return Answer(status=206, headers=partial, file=path, span=span, route=route)
        return Answer(
            status=200,
            headers=base,
            file=path,
            span=(0, there),
            depends=depends,
            stamp=stamp,
            route=route,
        )

    def _size(self, path: Path, sha256: str) -> int | None:
        """The file's size; None when it is gone or, up to 64 kB, known to have other bytes than it should."""
        try:
            there = os.lstat(path)  # half the time of Path.lstat
        except OSError:
            return None
        if not stat.S_ISREG(there.st_mode):  # a link was put in its place
            return None
        # Read once for each state of the file, whatever of it is asked for, and by whichever way.
        state = (there.st_mtime_ns, there.st_size, there.st_ino)
        if there.st_size <= SMALL and self._sound.get(path) != state:
            if not whole(path, sha256):
                return None
            if len(self._sound) >= _SOUND_KEPT:
                self._sound.clear()
            self._sound[path] = state
        return there.st_size


def stamp_of(path: Path | str) -> int:
    """When the file was last changed, in nanoseconds; 0 when it is not there."""
    return State.of(path).stamp


def not_acceptable() -> Answer:
    """The answer to who takes none of the forms of a page."""
    return _text(406, f"This page comes as {JSON}, {HTML} or text/html.", "project")


def _http_date(uploaded: str) -> str:
    from datetime import datetime

    return formatdate(datetime.fromisoformat(uploaded).timestamp(), usegmt=True)


def _moved(location: str, route: str) -> Answer:
    return Answer(status=301, headers=(("Location", location), ("Cache-Control", "max-age=86400")), route=route)


def _text(status: int, text: str, route: str = "other", depends: Path | None = None) -> Answer:
    """A refusal that says why. With `depends`, it holds until that file is there."""
    headers = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", _PAGE_POLICY))
    return Answer(status=status, headers=headers, body=f"{text}\n".encode(), depends=depends, route=route)
