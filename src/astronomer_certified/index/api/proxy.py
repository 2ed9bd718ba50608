"""Upstream's pages and files -> ours, kept in a folder, each file checked against its page's sha256. Talks HTTP.

For operators whose clients reach this index only. What upstream gives no sha256 for is left out: it could not be
told from anything else. A page is asked for anew after ten minutes; while upstream is silent, the old one counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName

from astronomer_certified.effects.disk import atomic_file, write_atomic
from astronomer_certified.errors import PublishError
from astronomer_certified.index.store.records import FileRecord, ProjectRecord, Status, timestamp
from astronomer_certified.index.store.store import whole

if TYPE_CHECKING:
    import requests
    from pypi_simple import DistributionPackage, ProjectPage

_FRESH = 600.0
_TIMEOUT = (10, 60)
_CHUNK = 256 << 10

# What upstream says becomes the name of a file here, and stands in pages: nothing that means something in either.
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!-]*")
_LONGEST = 255


class UpstreamSilent(PublishError):
    """Upstream does not answer, and nothing is kept of what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """A file on its way from upstream."""

    size: int | None
    pieces: Iterator[bytes]


class Proxy:
    """Upstream, as far as it may be seen through this index. From any thread and process."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder

    def project(self, name: NormalizedName) -> ProjectRecord | None:
        """The project as upstream lists it; None when it has none. UpstreamSilent when nobody knows."""
        kept = self._folder / "pages" / f"{name}.json"
        with contextlib.suppress(OSError):
            if time.time() - kept.stat().st_mtime < _FRESH:
                return self._read(kept)[0]
        try:
            page = self._ask(name)
        except UpstreamSilent:
            if kept.exists():
                return self._read(kept)[0]
            raise
        files = list(_usable(page)) if page is not None else []
        record = None
        if page is not None:
            status = Status(page.status.value) if page.status is not None else Status.ACTIVE
            shown = tuple(file for file, _ in files)
            record = ProjectRecord(name=name, files=shown, status=status, reason=page.status_reason)
        urls = {file.filename: url for file, url in files}
        content = {"record": record.to_json().decode() if record else None, "urls": urls}
        write_atomic(kept, json.dumps(content).encode())
        return record

    def metadata(self, name: NormalizedName, filename: str) -> Path | None:
        """A wheel's METADATA, kept; None when upstream offers none."""
        found = self._find(name, filename)
        if found is None or found[0].metadata_sha256 is None:
            return None
        file, url = found
        kept = self._kept(file.sha256, f"{filename}.metadata")
        if not kept.exists():
            with _session() as session, _talking(url):
                answer = session.get(f"{url.partition('#')[0]}.metadata", timeout=_TIMEOUT)
                answer.raise_for_status()
            if hashlib.sha256(answer.content).hexdigest() != file.metadata_sha256:
                raise UpstreamSilent(f"upstream's metadata of {filename} is not what its page says")
            write_atomic(kept, answer.content)
        return kept

    def file(self, name: NormalizedName, filename: str) -> Path | Passing | None:
        """The file: kept and whole, or on its way; None when upstream lists none of that name."""
        found = self._find(name, filename)
        if found is None:
            return None
        file, url = found
        kept = self._kept(file.sha256, filename)
        if whole(kept, file.sha256):
            return kept
        session = _session()
        with _talking(url):
            answer = session.get(url, timeout=_TIMEOUT, stream=True)
            answer.raise_for_status()
        length = answer.headers.get("Content-Length")
        size = int(length) if length and not answer.headers.get("Content-Encoding") else None
        return Passing(size=size, pieces=_through(session, answer, file.sha256, kept))

    def _find(self, name: NormalizedName, filename: str) -> tuple[FileRecord, str] | None:
        if self.project(name) is None:
            return None
        record, urls = self._read(self._folder / "pages" / f"{name}.json")
        file = record.find(filename) if record is not None else None
        return (file, urls[filename]) if file is not None else None

    def _kept(self, sha256: str, filename: str) -> Path:
        return self._folder / "files" / sha256[:2] / sha256 / filename

    def _read(self, kept: Path) -> tuple[ProjectRecord | None, dict[str, str]]:
        values = json.loads(kept.read_text(encoding="utf-8"))
        record = values["record"]
        return (ProjectRecord.from_json(record.encode()) if record else None), values["urls"]

    def _ask(self, name: NormalizedName) -> ProjectPage | None:
        import requests
        from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedContentTypeError, UnsupportedRepoVersionError

        try:
            with PyPISimple(self._url, session=_session()) as client:
                return client.get_project_page(name, timeout=_TIMEOUT)
        except NoSuchProjectError:
            return None
        except (
            requests.RequestException, UnsupportedContentTypeError, UnsupportedRepoVersionError, ValueError
        ) as err:  # fmt: skip
            raise UpstreamSilent(f"upstream does not tell what it has of {name}", details=[str(err)]) from err


def _usable(page: ProjectPage) -> Iterator[tuple[FileRecord, str]]:
    for package in page.packages:
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


def _through(session: requests.Session, answer: requests.Response, sha256: str, kept: Path) -> Iterator[bytes]:
    """The bytes as they come, and kept at the end. The last ones are held back until the whole is known to be right,
    so that a client never gets all of a wrong file."""
    digest = hashlib.sha256()
    with session, answer, atomic_file(kept) as beside, beside.open("wb") as stream:
        held = b""
        for chunk in answer.iter_content(_CHUNK):
            digest.update(chunk)
            stream.write(chunk)
            if held:
                yield held
            held = chunk
        if digest.hexdigest() != sha256:
            raise UpstreamSilent(f"upstream's {kept.name} is not what its page says")
        yield held


def _session() -> requests.Session:
    import requests

    session = requests.Session()
    session.headers["User-Agent"] = "astronomer-certified-index"
    return session


@contextlib.contextmanager
def _talking(url: str) -> Iterator[None]:
    import requests

    try:
        yield
    except requests.RequestException as err:
        raise UpstreamSilent(f"upstream does not give {url}", details=[str(err)]) from err
