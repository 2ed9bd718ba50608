"""The bytes of another index's page of a project -> the files that it lists. Parsed by a program of its own.

A page is a stranger's program for a parser: four megabytes of tags take half a minute of Python and a gigabyte, and no
thread could be stopped in it. So it is parsed in a process that has limits, and whoever else is answered notices
nothing.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urljoin

from astronomer_certified.effects.companion import Companion
from astronomer_certified.errors import PublishError
from astronomer_certified.index.store.records import timestamp

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage

# Bytes of a page. The largest of the public index has some ten million.
LONGEST = 32 << 20

# Bytes up to which a page is one of many, and does not wait behind one that takes its time.
_SMALL = 256 << 10

# Seconds that the program waits for the next page, and bytes of memory that it may have.
_IDLE = 60
_MEMORY = 1 << 30

# Bytes of what a page is made into, which repeats addresses that were relative.
_LONGEST_ANSWER = 4 * LONGEST

# Characters of a reason why a file is yanked: it is shown with the file for ever.
_LONGEST_REASON = 1000

_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = ("text/html", "application/vnd.pypi.simple.v1+html")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A file as the other index lists it; nothing of that is known to be so."""

    filename: str
    url: str
    sha256: str | None
    yanked: str | None
    """The reason, perhaps empty; None when it is not yanked."""
    version: str | None = None
    size: int | None = None
    uploaded: str | None = None
    """When, as records have it."""
    requires_python: str | None = None
    metadata_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A page: its files, and what it says of the project (PEP 792)."""

    files: tuple[Listed, ...]
    status: str | None = None
    reason: str | None = None
    unreachable: tuple[str, ...] = ()
    """The names of files whose address is none: no reason to have nothing else of a project."""


class Listings:
    """Parses pages, each in `patience` seconds at most. From any thread; small pages do not wait for large ones.

    Close it when there are no more.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        # The program ends itself, should nobody be left to end it.
        self._small, self._large = (
            Companion(__name__, patience=patience, longest=_LONGEST_ANSWER) for _ in range(2)
        )  # fmt: skip

    def read(self, body: bytes, content_type: str, url: str) -> Listing:
        """The page that came from `url`. PublishError for what is no page of a project, and for what takes more than
        the limits."""
        parser = self._small if len(body) <= _SMALL else self._large
        # By file: a line of JSON with all of a page would be there several times over.
        with tempfile.NamedTemporaryFile("wb", prefix="certified-page-") as file:
            file.write(body)
            file.flush()
            question = {"path": file.name, "type": content_type, "url": url, "seconds": self._patience}
            answer = parser.ask(json.dumps(question).encode())
        if answer is None:
            raise PublishError("its page takes more time or memory than any should, or ended what reads it")
        said = json.loads(answer)
        if "error" in said:
            raise PublishError("its page cannot be read", details=[said["error"]])
        files = tuple(Listed(**file) for file in said["files"])
        return Listing(
            files=files, status=said["status"], reason=said["reason"], unreachable=tuple(said["unreachable"])
        )

    def close(self) -> None:
        """Nothing more is parsed."""
        self._small.close()
        self._large.close()


# --- in the other process


def parse(body: bytes, content_type: str, url: str) -> Listing:
    """What a page says, in this process, however long it takes. Raises whatever a parser does for what is none."""
    from pypi_simple import ProjectPage

    unreachable: tuple[str, ...] = ()
    kind, _, rest = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == _JSON:
        values = json.loads(body)
        said: Mapping[str, object] = values.pop("project-status", None) or {}
        unreachable = tuple(str(file["filename"]) for file in values["files"] if not _leads_somewhere(url, file["url"]))
        values["files"] = [file for file in values["files"] if _leads_somewhere(url, file["url"])]
        packages = ProjectPage.from_json_data(values, url).packages
    elif kind in _HTML:
        charset = rest.partition("charset=")[2].strip().strip('"') or None
        packages, said = _from_html(body, url, charset)
    else:
        raise ValueError(f"it is {kind[:100]!a}")
    status, reason = said.get("status"), said.get("reason")
    return Listing(
        files=tuple(map(_listed, packages)),
        status=str(status) if status else None,
        reason=str(reason)[:_LONGEST_REASON] if reason else None,
        unreachable=unreachable,
    )


def _leads_somewhere(page: str, url: str) -> bool:
    try:
        urljoin(page, url)
    except ValueError:
        return False
    return True


def _from_html(body: bytes, url: str, charset: str | None) -> tuple[list[DistributionPackage], Mapping[str, object]]:
    from pypi_simple import DistributionPackage, RepositoryPage

    page = RepositoryPage.from_html(body, url, charset)
    meta = {key: words[0] for key, words in page.pypi_meta.items() if words}
    said = {"status": meta.get("project-status"), "reason": meta.get("project-status-reason")}
    return [DistributionPackage.from_link(link) for link in page.links], said


def _listed(package: DistributionPackage) -> Listed:
    uploaded = package.upload_time
    return Listed(
        filename=package.filename,
        url=package.url,
        sha256=(package.digests or {}).get("sha256"),
        yanked=(package.yanked_reason or "")[:_LONGEST_REASON] if package.is_yanked else None,
        version=package.version,
        size=package.size,
        uploaded=timestamp(uploaded.timestamp()) if uploaded is not None else None,
        requires_python=package.requires_python,
        metadata_sha256=(package.metadata_digests or {}).get("sha256"),
    )


def answer_all(questions: BinaryIO, answers: BinaryIO) -> None:
    """Each line is a JSON object; the answer is one, too, after its length in eight bytes. Ends with its questions; the
    kernel ends it when it waits too long for one, or needs too long."""
    signal.alarm(_IDLE)
    while line := questions.readline():
        question = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, question["seconds"])
        answer = _answer(question)
        answers.write(len(answer).to_bytes(8, "big") + answer)
        answers.flush()
        signal.alarm(_IDLE)
    signal.alarm(0)


def _answer(question: Mapping[str, Any]) -> bytes:
    from pypi_simple import UnsupportedRepoVersionError

    body = Path(question["path"]).read_bytes()
    # What three parsers raise for bytes that were made to hurt. For anything else this process ends, and that is told.
    hurt = (ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError)
    try:
        said = asdict(parse(body, question["type"], question["url"]))
        # JSON can say half of a character, which no record could be written with, and no page.
        return json.dumps(said, ensure_ascii=False).encode()
    except (*hurt, UnsupportedRepoVersionError) as err:
        return json.dumps({"error": f"{type(err).__name__}: {str(err)[:300]!a}"}).encode()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer_all(sys.stdin.buffer, sys.stdout.buffer)
