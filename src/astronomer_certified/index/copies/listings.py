"""The bytes of another index's page of a project -> the files that it lists. Parsed by a program of its own.

A page is a stranger's program for a parser: one of 32 MB of tags would take half an hour of Python and the memory of
the machine, and no thread could be stopped in it. So it is parsed in a process that has limits and gets one at a time.
"""

from __future__ import annotations

import base64
import json
import resource
import sys
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from astronomer_certified.effects.companion import Companion
from astronomer_certified.errors import PublishError

# Bytes of a page. The largest of the public index has some ten million.
LONGEST = 32 << 20

# Seconds for a page, and bytes of memory. An old index, with HTML only, takes 1 ms for each of its files.
_PATIENCE = 120.0
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


class Listings:
    """Parses pages. Close it when there are no more."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._companion = Companion(__name__, patience=patience, longest=_LONGEST_ANSWER)

    def files(self, body: bytes, content_type: str, url: str) -> tuple[Listed, ...]:
        """The files of the page that came from `url`. PublishError for what is no page of a project, and for what takes
        more than the limits."""
        question = {"body": base64.b64encode(body).decode(), "type": content_type, "url": url}
        answer = self._companion.ask(json.dumps(question).encode())
        if answer is None:
            raise PublishError("its page takes more time or memory than any should, or ended what reads it")
        said = json.loads(answer)
        if "error" in said:
            raise PublishError("its page cannot be read", details=[said["error"]])
        return tuple(Listed(**file) for file in said["files"])

    def close(self) -> None:
        """Nothing more is parsed."""
        self._companion.close()


def parse(body: bytes, content_type: str, url: str) -> list[Listed]:
    """The files of a page, in this process, however long it takes. Raises whatever a parser does for what is none."""
    from pypi_simple import ProjectPage

    kind, _, rest = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == _JSON:
        page = ProjectPage.from_json_data(json.loads(body), url)
    elif kind in _HTML:
        charset = rest.partition("charset=")[2].strip().strip('"') or None
        page = ProjectPage.from_html("", body, base_url=url, from_encoding=charset)
    else:
        raise ValueError(f"it is {kind[:100]!a}")
    files = [
        Listed(
            filename=package.filename,
            url=package.url,
            sha256=(package.digests or {}).get("sha256"),
            yanked=(package.yanked_reason or "")[:_LONGEST_REASON] if package.is_yanked else None,
        )
        for package in page.packages
    ]
    # JSON can say half of a character, which no record could be written with.
    json.dumps([asdict(file) for file in files], ensure_ascii=False).encode()
    return files


def answer_all(questions: BinaryIO, answers: BinaryIO) -> None:
    """Each line is a JSON object; the answer is one, too, after its length in eight bytes. Ends with its questions."""
    while line := questions.readline():
        answer = json.dumps(_answer(json.loads(line))).encode()
        answers.write(len(answer).to_bytes(8, "big") + answer)
        answers.flush()


def _answer(question: dict[str, str]) -> dict[str, Any]:
    from pypi_simple import UnsupportedRepoVersionError

    body = base64.b64decode(question["body"])
    # What three parsers raise for bytes that were made to hurt. For anything else this process ends, and that is told.
    hurt = (ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError)
    try:
        return {"files": [asdict(file) for file in parse(body, question["type"], question["url"])]}
    except (*hurt, UnsupportedRepoVersionError) as err:
        return {"error": f"{type(err).__name__}: {str(err)[:300]!a}"}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer_all(sys.stdin.buffer, sys.stdout.buffer)
