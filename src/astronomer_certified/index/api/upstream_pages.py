"""A project page of another index -> the files that it lists with a sha256, or why it cannot be read.

A page is a stranger's program for a parser, as a description is: four megabytes of tags take half a minute and a
gigabyte. So it is read in a process that has limits, and whoever else is answered notices nothing.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from packaging.utils import NormalizedName

from astronomer_certified.effects.companion import Companion
from astronomer_certified.errors import PublishError
from astronomer_certified.index.store.records import FileRecord, ProjectRecord, Status, timestamp

from .upstream_cache import UpstreamPage

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage

# Bytes. The largest page of the public index has some ten million.
LARGEST = 32 << 20

# What upstream says becomes the name of a file here, and stands in pages: nothing that means something in either.
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!-]*")
_LONGEST_NAME = 255

# Bytes up to which a page is one of many, and does not wait behind one that takes its time.
_SMALL = 256 << 10

# Seconds that a page may take, that the program waits for the next one, and bytes that it may have. Ten million bytes
# of JSON take two seconds here, as HTML ten.
_SECONDS = 20
_IDLE = 60
_MEMORY = 1 << 30

# Bytes of an answer: what a page lists, in other words.
_LONGEST = 2 * LARGEST


class PageRefused(PublishError):
    """No page of a project, or one that takes more than it may."""


class UpstreamPages:
    """Reads pages. From any thread; small ones do not wait for large ones."""

    def __init__(self) -> None:
        module = "astronomer_certified.index.api.upstream_pages"
        self._small, self._large = (Companion(module, patience=_SECONDS + 5, longest=_LONGEST) for _ in range(2))

    def read(self, name: NormalizedName, url: str, content_type: str, body: bytes) -> UpstreamPage:
        """The page of the project `name` that `url` answered with. Raises `PageRefused`."""
        reader = self._small if len(body) <= _SMALL else self._large
        with tempfile.NamedTemporaryFile(prefix="certified-page-") as file:
            file.write(body)
            file.flush()
            question = {"name": name, "url": url, "kind": content_type, "path": file.name}
            answer = reader.ask(json.dumps(question).encode())
        if answer is None:
            raise PageRefused(f"the page of {name} takes more than {_SECONDS} s, or {_MEMORY >> 20} MB, to read")
        said = json.loads(answer)
        if "refused" in said:
            raise PageRefused(f"the page of {name} cannot be read", details=[said["refused"]])
        return UpstreamPage.from_json(answer)

    def close(self) -> None:
        """Nothing more is read."""
        self._small.close()
        self._large.close()


# --- in the other process


def understood(name: NormalizedName, url: str, content_type: str, body: bytes) -> UpstreamPage:
    """What a page lists. Raises whatever what is no such page makes its parsers raise."""
    from pypi_simple import DistributionPackage, ProjectPage, RepositoryPage, UnsupportedContentTypeError

    kind, _, rest = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == "application/vnd.pypi.simple.v1+json":
        values = json.loads(body)
        status, reason = _status(values.pop("project-status", None) or {})
        packages = ProjectPage.from_json_data(values, url).packages
    elif kind in ("text/html", "application/vnd.pypi.simple.v1+html"):
        charset = rest.partition("charset=")[2].strip().strip('"') or None
        page = RepositoryPage.from_html(body, url, charset)
        said = {key: words[0] for key, words in page.pypi_meta.items() if words}
        status, reason = _status({"status": said.get("project-status"), "reason": said.get("project-status-reason")})
        packages = [DistributionPackage.from_link(link, name) for link in page.links]
    else:
        raise UnsupportedContentTypeError(url, kind)
    files = list(_usable(packages))
    record = ProjectRecord(name=name, files=tuple(file for file, _ in files), status=status, reason=reason)
    return UpstreamPage(record=record, urls={file.filename: url for file, url in files}, read=time.time_ns())


def _status(said: Mapping[str, object]) -> tuple[Status, str | None]:
    """What upstream says of the project (PEP 792). One that this program does not know forbids nothing here: what it
    means for an installer, the installer must know, and it is told the reason."""
    stated, reason = said.get("status"), said.get("reason")
    status = next((known for known in Status if known.value == stated), Status.ACTIVE)
    return status, str(reason) if reason else None


def _usable(packages: Iterable[DistributionPackage]) -> Iterator[tuple[FileRecord, str]]:
    for package in packages:
        sha256 = _sha256(package.digests)
        if sha256 is not None and _FILENAME.fullmatch(package.filename) and len(package.filename) <= _LONGEST_NAME:
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


def answer_all(questions: BinaryIO, answers: BinaryIO) -> None:
    """Each line is a JSON object that names a project, an address, a content type and a file with the body; the answer
    is the page, or why it is refused, as JSON, after its length in eight bytes.

    Ends with its questions; the kernel ends it when it waits too long for one, or needs too long.
    """
    signal.alarm(_IDLE)
    while line := questions.readline():
        signal.alarm(_SECONDS)
        answer = _answer(json.loads(line))
        answers.write(len(answer).to_bytes(8, "big") + answer)
        answers.flush()
        signal.alarm(_IDLE)
    signal.alarm(0)


def _answer(question: Mapping[str, str]) -> bytes:
    try:
        body = Path(question["path"]).read_bytes()
        page = understood(NormalizedName(question["name"]), question["url"], question["kind"], body).to_json()
        # A surrogate, which JSON can name and no page can hold, is found here and not in an answer.
        json.dumps(json.loads(page), ensure_ascii=False).encode()
    except Exception as err:
        return json.dumps({"refused": f"{type(err).__name__}: {str(err)[:300]}"}).encode()
    return page


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer_all(sys.stdin.buffer, sys.stdout.buffer)
