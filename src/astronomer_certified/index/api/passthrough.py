"""Address -> upstream's page or file, through the proxy, for names that nobody here has and nobody protects.

Its addresses are its own, `upstream/PROJECT/FILENAME`: no file from there can stand where one of ours does.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from packaging.utils import NormalizedName

from astronomer_certified.effects.addresses import shown
from astronomer_certified.index.store.store import Store
from astronomer_certified.index.store.validation import project_name

from . import negotiation, pages
from .fallback import Fallback
from .pages import JSON, Places
from .proxy import Passing, Proxy
from .response_cache import ResponseCache
from .site import Answer, not_acceptable
from .upstream_cache import UpstreamPage
from .web_pages import sent

# Bytes of rendered pages that are kept.
_KEPT = 64 << 20

_PAGE_POLICY = (("Cache-Control", "no-cache"), ("Vary", "Accept"))


class Passthrough:
    """What is passed on. From any thread."""

    def __init__(self, store: Store, fallback: Fallback, proxy: Proxy) -> None:
        self._store = store
        self._fallback = fallback
        self._proxy = proxy
        self._kept = ResponseCache(_KEPT)
        self.name = proxy.name
        self._rendering = threading.Lock()

    def close(self) -> None:
        """Nothing more is asked of upstream."""
        self._proxy.close()

    def answer(self, path: str, query: str, headers: Mapping[str, str]) -> Answer | Passing | None:
        """The answer to a GET; None when there is none. Raises UpstreamSilent."""
        words, name = _asked(path)
        if name is None or not self._is_upstreams(name):
            return None
        if len(words) == 2 and words[0] == "simple":
            return self._page(name, query, headers)
        if len(words) == 3 and words[0] == "upstream":
            return self._file(name, words[2])
        return None

    def subject(self, path: str) -> str:
        """What a path is about, the same for all its spellings."""
        words, name = _asked(path)
        return "/".join([words[0], name or "", *words[2:]])

    def may_pass(self, path: str) -> bool:
        """Whether what stands at that path is upstream's to give now."""
        name = _asked(path)[1]
        return name is not None and self._is_upstreams(name)

    def _page(self, name: NormalizedName, query: str, headers: Mapping[str, str]) -> Answer | None:
        media = negotiation.content_type(headers.get("accept", ""), negotiation.wanted(query))
        if media is None:
            return not_acceptable()
        page = self._proxy.page(name)
        if page is None:
            return None
        return sent(self._rendered(page, json=media == JSON), media, headers, _PAGE_POLICY, "upstream")

    def _rendered(self, page: UpstreamPage, *, json: bool) -> bytes:
        """The page as this index shows it: made once, by one at a time, and shared by all who read it."""
        name = page.record.name
        key = (name, page.read, json)
        with self._rendering:
            body = self._kept.get(key)
            if body is None:
                # `shown`: a login at upstream is the operator's, and this page is everybody's.
                places = Places(files=f"../../upstream/{name}/", tracks=f"{shown(self._fallback.url or '')}{name}/")
                body = (pages.project_json if json else pages.project_html)(page.record, places)
                self._kept.put(key, body)
        return body

    def _file(self, name: NormalizedName, filename: str) -> Answer | Passing | None:
        # PEP 658: beside the wheel, under its name and this.
        if filename.endswith(".metadata"):
            found: Path | bytes | Passing | None = self._proxy.metadata(name, filename.removesuffix(".metadata"))
        else:
            found = self._proxy.file(name, filename)
        headers = (("Content-Type", "application/octet-stream"), ("Cache-Control", "public, max-age=86400"))
        if isinstance(found, bytes):
            return Answer(status=200, headers=headers, body=found, route="upstream")
        if not isinstance(found, Path):
            return found
        return Answer(status=200, headers=headers, file=found, span=(0, found.stat().st_size), route="upstream")

    def _is_upstreams(self, name: NormalizedName) -> bool:
        """Asked for each file too: a name may have become ours since its page was given."""
        return not self._fallback.is_protected(name) and not self._store.record_file(name).exists()


def _asked(path: str) -> tuple[list[str], NormalizedName | None]:
    """The words of a path, and the project that it is about."""
    # Cut before it is decoded: a slash that is encoded is part of a word, and no step of a relative address.
    words = [unquote(word) for word in path.strip("/").split("/")]
    return words, project_name(words[1]) if len(words) in (2, 3) else None
