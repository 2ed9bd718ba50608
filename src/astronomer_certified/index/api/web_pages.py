"""A request -> a page for people: the front page, a search, a project, one of its versions. Reads the store.

No script is needed to read or to copy. What a page shows is made in `views`, how in `templates`; both know nothing of
requests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qs, quote, unquote

from packaging.utils import NormalizedName, canonicalize_name

from astronomer_certified.errors import PublishError
from astronomer_certified.index.store.records import ProjectRecord
from astronomer_certified.index.store.store import Store
from astronomer_certified.index.store.validation import project_name

from . import metadata, negotiation, notes, rendering
from .compression import compress, encodings
from .descriptions import Descriptions
from .install_lines import shown_version
from .notes import Note
from .response_cache import ResponseCache
from .site import Address, Answer, stamp_of

CERTIFIED = canonicalize_name("astronomer-certified")

# Nothing on these pages comes from elsewhere, and a description cannot make it so.
POLICY = (
    ("Content-Security-Policy",
     "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
)  # fmt: skip

# Names on one page: a list of 20,000 helps nobody.
_SHOWN = 200

# Bytes of pages that are kept.
_KEPT = 32 << 20

# Bytes of compressed pages that are kept, of all who answer in this process.
_COMPRESSED_KEPT = 32 << 20

# Bytes below which compression saves no packet.
_COMPRESSED_FROM = 1000

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class WebPages:
    """The pages, as they are now. From any thread. In a `static` copy nothing can search, so all is shown."""

    def __init__(self, store: Store, address: Address, *, static: bool = False) -> None:
        self._store = store
        self._static = static
        self._simple = f"{address.public_url or 'http://INDEX/'}simple/"
        self._descriptions = Descriptions()
        self._kept = ResponseCache(_KEPT)
        self._notes: tuple[int, dict[str, Note]] = (0, {})

    def close(self) -> None:
        """No page is asked for any more."""
        self._descriptions.close()

    def answer(self, path: str, query: str, headers: Mapping[str, str] = _NO_HEADERS) -> Answer | None:
        """The answer to a GET; None when there is no such page. `headers` have lower-case names."""
        if path in ("/", ""):
            return page(self.front(), headers)
        if path == "/search":
            return page(self.search(parse_qs(query).get("q", [""])[0]), headers)
        if path == f"/static/{rendering.style_name()}":
            return _style(headers)
        if path.startswith("/project/"):
            return self._project(path.removeprefix("/project/"), headers)
        return None

    def _project(self, rest: str, headers: Mapping[str, str]) -> Answer | None:
        # Cut before it is decoded: a slash that is encoded is part of a word, and no step of a relative address.
        words = [unquote(word) for word in rest.removesuffix("/").split("/")]
        asked = "/".join(words) + ("/" if rest.endswith("/") else "")
        name = project_name(words[0])
        # The times first: a page that was made of something newer is made once more, at the worst.
        stamp = stamp_of(self._store.record_file(name)) if name is not None else 0
        if name is None or len(words) > 2 or stamp == 0:
            return None
        state = (asked, stamp, stamp_of(self._store.records / "notes.json") if name == CERTIFIED else 0)
        if (kept := self._kept.get(state)) is not None:
            return page(kept, headers)
        record = self._store.project(name)
        version = metadata.version_of(record, words[1]) if record is not None and len(words) > 1 else None
        if record is None or (len(words) > 1 and version is None):
            return None
        right = f"{name}/{version}/" if version is not None else f"{name}/"
        if asked != right:
            # Relative to what was asked, so that it is right below any path.
            location = "../" * rest.count("/") + quote(right)
            return Answer(status=301, headers=(("Location", location),), route="people")
        body, settled = self._made(record, version)
        if settled:
            self._kept.put(state, body)
        return page(body, headers)

    # --- pages

    def front(self) -> bytes:
        """What this index is for, how to install from it, and everything on it."""
        from .views import front  # here: an index starts without waiting for what shows its first page

        names = self._store.names()
        try:
            certified = self._store.project(CERTIFIED)
        except PublishError:
            certified = None  # one damaged record is no reason to have no front page
        shown = len(names) if self._static else _SHOWN
        view = front.view(names, shown, certified, self._known(CERTIFIED), self._simple)
        return self._page("front.html", "", title="Python packages", page=view)

    def search(self, words: str) -> bytes:
        """The projects whose names hold all the words."""
        wanted = [canonicalize_name(word) for word in words.split()[:10]]
        found = [name for name in self._store.names() if wanted and all(word in name for word in wanted)]
        found.sort(key=lambda name: (name not in wanted, len(name)))
        title = f"Search: {words}" if words else "Search"
        shown = {"wanted": wanted, "found": found[:_SHOWN], "count": len(found), "words": words}
        return self._page("search.html", "", title=title, **shown)

    def project(self, record: ProjectRecord, version: str | None = None) -> bytes:
        """Everything about one version of a project; by default about the one to install, and all others named."""
        return self._made(record, version)[0]

    def _made(self, record: ProjectRecord, version: str | None) -> tuple[bytes, bool]:
        """The page, and whether it stays like this until something changes."""
        from .views import project

        shown = version or shown_version(record)
        said = metadata.of(self._store, metadata.files_of(record, shown))
        asked = project.Asked(
            record=record,
            version=version,
            said=said,
            description=self._descriptions.of(said),
            known=self._known(record.name),
            simple=self._simple,
        )
        up = "../../" if version is None else "../../../"
        title = record.name if version is None else f"{record.name} {version}"
        body = self._page("project.html", up, title=title, page=project.view(asked))
        return body, not asked.description.waits

    def _page(self, template: str, up: str, **values: object) -> bytes:
        return rendering.page(template, up=up, static=self._static, **values)

    def _known(self, name: NormalizedName) -> Mapping[str, Note]:
        """The notes, which are of the certified wheel's releases; read again when they have changed."""
        if name != CERTIFIED:
            return {}
        stamp = stamp_of(self._store.records / "notes.json")
        if self._notes[0] != stamp:
            self._notes = (stamp, notes.read(self._store))
        return self._notes[1]


def page(body: bytes, headers: Mapping[str, str]) -> Answer:
    """The answer that is this page, or that it is still the same."""
    return sent(body, "text/html; charset=utf-8", headers, (("Cache-Control", "no-cache"), *POLICY))


_compressed = ResponseCache(_COMPRESSED_KEPT)


def sent(
    body: bytes, kind: str, headers: Mapping[str, str], more: tuple[tuple[str, str], ...], route: str = "people"
) -> Answer:
    """An answer with an entity tag, compressed for who takes that."""
    encoding = negotiation.encoding(headers.get("accept-encoding", ""), encodings())
    if len(body) < _COMPRESSED_FROM:
        encoding = None
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}{"-" + encoding if encoding else ""}"'
    common = (("ETag", etag), ("Vary", "Accept-Encoding"), *more)
    if negotiation.matches(headers.get("if-none-match", ""), etag):
        return Answer(status=304, headers=common, route=route)
    coding = (("Content-Encoding", encoding),) if encoding else ()
    shown = body
    if encoding:
        key = (etag, len(body))
        shown = _compressed.get(key) or compress(body, encoding)
        _compressed.put(key, shown)
    return Answer(status=200, headers=(("Content-Type", kind), *common, *coding), body=shown, route=route)


def _style(headers: Mapping[str, str]) -> Answer:
    policy = (("Cache-Control", "public, max-age=31536000, immutable"), ("X-Content-Type-Options", "nosniff"))
    return sent(rendering.style(), "text/css; charset=utf-8", headers, policy)
