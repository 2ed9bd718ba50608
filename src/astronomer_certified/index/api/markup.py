"""A description as METADATA has it -> HTML that runs and loads nothing, by `readme_renderer`. A program of its own.

A description is a stranger's program for a parser. So it is rendered in a process that has nothing, gets one at a time
through a pipe, and is ended by the kernel when it takes too long: no thread could be, in the middle of a pattern.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Iterable
from html import escape
from html.parser import HTMLParser
from typing import BinaryIO
from urllib.parse import urlsplit

# Seconds for one description, and that it waits for the next one; bytes that it may have.
LONGEST = 5
_IDLE = 60
_MEMORY = 1 << 30

# Characters of HTML: markup can say in one line what takes a thousand there.
_LONGEST_HTML = 2 << 20

# Level of the heading under which a description stands on its page.
_ABOVE = 2

# Before every anchor of a description, so that none is one of the page around it.
_PREFIX = "user-content-"

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_VOID = ("br", "hr", "col")

# What a description may consist of. No picture: it would be loaded from elsewhere, and tell who reads this.
_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd", "del", "details", "div",
    "dl", "dt", "em", *_HEADINGS, "hr", "i", "kbd", "li", "ol", "p", "pre", "strong", "sub", "summary", "sup",
    "table", "tbody", "td", "th", "thead", "tr", "tt", "ul", "var",
}  # fmt: skip
_ATTRIBUTES = {
    "a": {"href", "title"}, "abbr": {"title"}, "ol": {"start"}, "td": {"colspan", "rowspan"}, "*": {"id"},
    "th": {"colspan", "rowspan", "scope"},
}  # fmt: skip


def html(text: str, content_type: str) -> str | None:
    """The description as HTML; None for what is plain text, or cannot be rendered as what it says it is."""
    import nh3

    kind, _, rest = (content_type or "text/x-rst").partition(";")
    rendered = _rendered(text, kind.strip().lower(), rest)
    if not rendered or len(rendered) > _LONGEST_HTML:
        return None
    outline = _Outline()
    outline.feed(rendered)
    outline.close()
    # Last of all, so that nothing after it could undo it.
    return nh3.clean(
        "".join(outline.parts),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )


def _rendered(text: str, kind: str, rest: str) -> str | None:
    if kind == "text/markdown":
        from readme_renderer import markdown

        plain = "variant=commonmark" in rest.lower().replace(" ", "")
        return markdown.render(text, variant="CommonMark" if plain else "GFM")
    if kind == "text/x-rst":
        from readme_renderer import rst

        return rst.render(text)
    return None


class _Outline(HTMLParser):
    """The same document as a part of a page: its headings below that of the page, in order; words for pictures."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._level = _ABOVE
        self._open: list[str] = []
        self._self_links = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self._picture(dict(attrs))
        elif tag in _HEADINGS:
            # A reader who goes from heading to heading expects no level to be left out.
            self._level = min(int(tag[1]) + _ABOVE, self._level + 1, len(_HEADINGS))
            self._open.append(f"h{self._level}")
            self._begin(self._open[-1], attrs)
        elif tag == "th":
            self._begin(tag, [*attrs, ("scope", "col")])
        elif tag == "input":
            self.parts.append("\u2611" if "checked" in dict(attrs) else "\u2610")  # of a list of tasks
        elif tag == "a" and self._open and (dict(attrs).get("href") or "").startswith("#"):
            self._self_links += 1  # of a heading to itself: a link without a word in it
        else:
            self._begin(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in _HEADINGS and self._open:
            self.parts.append(f"</{self._open.pop()}>")
        elif tag == "a" and self._self_links:
            self._self_links -= 1
        elif tag not in (*_HEADINGS, *_VOID, "img", "input"):
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.parts.append(escape(data))

    def _begin(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        words = [f'{name}="{escape(here)}"' for name, value in attrs if (here := _here(name, value or "")) is not None]
        self.parts.append(f"<{' '.join([tag, *words])}>")

    def _picture(self, attrs: dict[str, str | None]) -> None:
        # Badges stand in rows; what they say in words is what they are for.
        self.parts.append(escape(f"[{attrs['alt']}] ") if attrs.get("alt") else "")


def _here(name: str, value: str) -> str | None:
    """The value of an attribute on our page; None for an address that was relative to somebody's repository."""
    if name == "id":
        return _PREFIX + value.removeprefix(_PREFIX)
    if name != "href":
        return value
    if value.startswith("#"):
        return f"#{_PREFIX}{value[1:].removeprefix(_PREFIX)}"
    try:
        return value if urlsplit(value).scheme else None
    except ValueError:
        return None


def answer_all(questions: BinaryIO, answers: BinaryIO) -> None:
    """Each line is a JSON list, a text and its content type; the answer is the HTML, null for None, as JSON, after its
    length in eight bytes.

    Ends with its questions; the kernel ends it when it waits too long for one, or needs too long.
    """
    signal.alarm(_IDLE)
    for content_type in ("text/markdown", "text/x-rst"):
        html("What renders it is imported now, not in the time of the first description.", content_type)
    while line := questions.readline():
        signal.alarm(LONGEST)
        text, content_type = json.loads(line)
        answer = json.dumps(html(text, content_type)).encode()
        answers.write(len(answer).to_bytes(8, "big") + answer)
        answers.flush()
        signal.alarm(_IDLE)
    signal.alarm(0)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer_all(sys.stdin.buffer, sys.stdout.buffer)
