"""A request of clients that know no simple API -> an answer: JSON of a project, or a page of all files. Reads only.

/pypi/NAME/json, /pypi/NAME/VERSION/json    for tools that compare versions, such as renovate
/packages/                                  for `pip install --find-links`
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote

from astronomer_certified.index.store.records import ProjectRecord
from astronomer_certified.index.store.store import Store
from astronomer_certified.index.store.validation import project_name

from . import legacy_json, metadata
from .find_links import FindLinks
from .install_lines import shown_version
from .legacy_json import Places
from .response_cache import ResponseCache
from .site import Address, Answer, stamp_of
from .web_pages import sent

# Bytes of JSON that are kept.
_KEPT = 16 << 20

_POLICY = (("Cache-Control", "no-cache"), ("X-Content-Type-Options", "nosniff"))


class OlderClients:
    """What they ask for, as it is now. From any thread."""

    def __init__(self, store: Store, address: Address) -> None:
        self._store = store
        self._public = address.public_url
        self._files = FindLinks(store, address)
        self._kept = ResponseCache(_KEPT)

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer | None:
        """The answer to a GET; None for what they do not ask for. `headers` have lower-case names."""
        if path == "/packages/":
            return self._files.answer(headers)
        if path == "/packages":
            return _moved("packages/")
        if path.startswith("/pypi/") and path.endswith("/json"):
            return self._json(path.removeprefix("/pypi/").removesuffix("/json"), headers)
        return None

    def _json(self, rest: str, headers: Mapping[str, str]) -> Answer:
        # Cut before it is decoded: a slash that is encoded is part of a word, and no step of a relative address.
        words = [unquote(word) for word in rest.split("/")]
        name = project_name(words[0])
        # The time first: what was made of something newer is made once more, at the worst.
        stamp = stamp_of(self._store.record_file(name)) if name is not None else 0
        if name is None or len(words) > 2 or stamp == 0:
            return _missing()
        if (kept := self._kept.get((*words, stamp))) is not None:
            return sent(kept, "application/json", headers, _POLICY, "json")
        record = self._store.project(name)
        version = metadata.version_of(record, words[1]) if record is not None and len(words) > 1 else None
        if record is None or not record.served or (len(words) > 1 and version is None):
            return _missing()
        right = "/".join([name, *([version] if version is not None else [])])
        if "/".join(words) != right:
            # Relative to what was asked, so that it is right below any path.
            return _moved("../" * len(words) + quote(right) + "/json")
        body = self.page(record, version)
        if body is None:
            return _missing()
        self._kept.put((*words, stamp), body)
        return sent(body, "application/json", headers, _POLICY, "json")

    def page(self, record: ProjectRecord, version: str | None = None) -> bytes | None:
        """The JSON of a project, or of one of its versions; None when nothing of it is served."""
        about = version or shown_version(record)
        files = [file for file in metadata.files_of(record, about) if file in record.served]
        if not files:
            return None
        # Whole where it is known: not all who read this know what an address is relative to.
        root = self._public or ("../../" if version is None else "../../../")
        places = Places(files=f"{root}packages/", project=f"{root}project/")
        said = metadata.of(self._store, files)
        if version is None:
            return legacy_json.project_json(record, about, said, places)
        return legacy_json.version_json(record, about, said, places)


def _missing() -> Answer:
    headers = (("Content-Type", "application/json"), *_POLICY)
    return Answer(status=404, headers=headers, body=b'{"message": "Not Found"}\n', route="json")


def _moved(location: str) -> Answer:
    return Answer(status=301, headers=(("Location", location), ("Cache-Control", "max-age=86400")), route="json")
