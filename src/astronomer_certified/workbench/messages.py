"""DEP-3 header <-> commit message: the first line of Description is the subject, the rest the body, fields trailers.

Author and Last-Update are not in the message: git has its own words for them.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime

from astronomer_certified.errors import SeriesError

from .fastimport import Person

# The order in which a header has them; further fields come after these.
ORDER = (
    "Description", "Author", "Origin", "Bug", "Applied-Upstream", "Forwarded", "Last-Update", "CVE", "Category",
    "Notice", "Depends", "Proof",
)  # fmt: skip
_GITS_OWN = ("Description", "Author", "Last-Update")
_TRAILER = re.compile(r"([A-Za-z][A-Za-z0-9-]*):(?: (.*)|)")
_PERSON = re.compile(r"([^<>]*?)\s*<([^<>]*)>\s*")
_PICKED = re.compile(r"\(cherry picked from commit [0-9a-f]+\)")


def slug(subject: str) -> str:
    """The subject as a part of a file name: ASCII letters, digits and dashes. Empty when nothing is left."""
    plain = unicodedata.normalize("NFKD", subject).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")
    return words[:72].rstrip("-")


def person(fields: Mapping[str, str], name: str) -> Person:
    """The author of a patch at the day of its last update. Raises `SeriesError`."""
    found = _PERSON.fullmatch(fields["Author"])
    try:
        day = date.fromisoformat(fields["Last-Update"].strip())
    except ValueError as err:
        raise SeriesError(f"{name}: Last-Update must be a day like 2026-11-22, not {fields['Last-Update']!r}") from err
    # Midnight in UTC, so that the same patch is the same commit everywhere.
    when = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    if found is None and re.search("[<>]", fields["Author"]):
        raise SeriesError(f"{name}: Author must be one person, like Name <address>, not {fields['Author']!r}")
    if found is None:
        return Person(name=fields["Author"].replace("\n", "").strip(), address="", when=when)
    return Person(name=found[1], address=found[2], when=when)


def author_field(name: str, address: str) -> str:
    """The Author field of a commit's author."""
    return f"{name} <{address}>" if address else name


def message(fields: Mapping[str, str]) -> str:
    """The commit message of a header."""
    subject, *rest = fields["Description"].split("\n")
    body = "\n".join("" if line.strip() == "." else line.removeprefix(" ") for line in rest).strip("\n")
    trailers = [
        f"{name}: {part}"
        for name, value in _ordered(fields)
        if name not in _GITS_OWN
        # Each of several authors has a trailer of his own.
        for part in ([line.strip() for line in value.split("\n")] if _is_of_people(name) else [value.strip()])
    ]
    blocks = [subject.strip(), body, "\n".join(trailers)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def fields_of(text: str) -> dict[str, str]:
    """The fields of a commit message: its Description, and its trailers but for what git has words of its own for.

    Raises `SeriesError` for a message that cannot be a header.
    """
    paragraphs = re.split(r"\n(?:[ \t]*\n)+", text.strip("\n"))
    subject, *rest = paragraphs[0].strip().split("\n")
    if rest:
        raise SeriesError(f"commit {subject!r}: the subject must be one line, followed by an empty one")
    trailers = _trailers(paragraphs[-1]) if len(paragraphs) > 1 else {}
    end = len(paragraphs) - 1 if trailers else len(paragraphs)
    # The text between, as it stands: paragraphs may be apart by more than one line, code in them may be indented.
    inner = text.strip("\n").split("\n")[1:]
    if trailers:
        inner = inner[: len(inner) - len(paragraphs[-1].split("\n"))]
    body = [line.rstrip() for line in inner] if end > 1 else []
    while body and not body[0]:
        body.pop(0)
    while body and not body[-1]:
        body.pop()
    if "." in body:
        raise SeriesError(f"commit {subject!r}: a line that is a lone dot means an empty line in a DEP-3 header")
    lines = [subject.strip(), *(f" {line}" if line else " ." for line in body)]
    return {"Description": "\n".join(lines), **trailers}


def _trailers(paragraph: str) -> dict[str, str]:
    """The fields of a last paragraph; empty when it is prose."""
    found: dict[str, str] = {}
    last = ""
    for line in paragraph.split("\n"):
        # `git cherry-pick -x` puts it among the trailers.
        if _PICKED.fullmatch(line.strip()):
            continue
        if line.startswith((" ", "\t")) and last:
            found[last] += f"\n {line.strip()}"
            continue
        match = _TRAILER.fullmatch(line)
        if match is None:
            if any(name in ORDER for name in found):
                raise SeriesError(f"not a field: {line.strip()!r}, in the block of {', '.join(found)}",
                                  hint="one 'Name: value' a line; lines that go on begin with a blank")  # fmt: skip
            return {}
        last, value = _spelled(match[1]), (match[2] or "").strip()
        between = "\n " if _is_of_people(last) else ", "
        found[last] = f"{found[last]}{between}{value}" if last in found else value
    if not any(name in ORDER or name.endswith("-by") for name in found):
        return {}  # a paragraph of prose that happens to have a colon
    return {name: value for name, value in found.items() if name not in _GITS_OWN and value}


def _is_of_people(name: str) -> bool:
    """Whether a field is one of Co-authored-by, Signed-off-by and the like, each value of which is a line."""
    return name.lower().endswith("-by")


def _spelled(name: str) -> str:
    """The field as DEP-3 writes it: git's own tools are lax about case."""
    return next((known for known in ORDER if known.lower() == name.lower()), name)


def nearest(name: str) -> str | None:
    """The known field that was likely meant by an unknown one; None when the name is known or like none."""
    if name in ORDER:
        return None
    near = difflib.get_close_matches(name.title(), ORDER, n=1, cutoff=0.75)
    return near[0] if near else None


def _ordered(fields: Mapping[str, str]) -> list[tuple[str, str]]:
    known = [(name, fields[name]) for name in ORDER if name in fields]
    return known + [(name, value) for name, value in fields.items() if name not in ORDER]


def header(fields: Mapping[str, str]) -> str:
    """The whole DEP-3 header, with the `---` line."""
    return "".join(f"{name}: {value}\n" for name, value in _ordered(fields)) + "---\n"
