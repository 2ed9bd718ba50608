"""Descriptions are strangers' texts: rendered elsewhere, in time, and nothing in them runs or loads."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from astronomer_certified.effects.companion import Companion
from astronomer_certified.index.api import markup
from astronomer_certified.index.api.descriptions import Descriptions
from astronomer_certified.index.api.metadata import Said
from astronomer_certified.index.api.response_cache import ResponseCache


@pytest.fixture
def descriptions() -> Iterator[Descriptions]:
    found = Descriptions()
    yield found
    found.close()


def said(text: str, kind: str = "text/markdown", sha256: str = "a") -> Said:
    return Said(raw={"description": text, "description_content_type": kind}, sha256=sha256)


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![track](https://tracker.example/x.png)",
    "[go](javascript:alert(1))",
    '<a href="javascript&colon;alert(1)">go</a>',
    '<a href="data:text/html,x">go</a>',
    "<svg><script>alert(1)</script></svg>",
    '<iframe src="https://tracker.example/"></iframe>',
    '<p style="background:url(https://tracker.example/)" onclick="alert(1)">x</p>',
    '<form action="https://tracker.example/"><input name="q"></form>',
    "<style>@import 'https://tracker.example/'</style>",
    '<meta http-equiv="refresh" content="0;url=https://tracker.example/">',
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    '<p id="content">x</p>',
    '<picture><source srcset="https://tracker.example/x.png"></picture>',
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", ["text/markdown", "text/markdown; variant=CommonMark"])
def test_nothing_in_a_description_runs_or_loads(text: str, kind: str) -> None:
    shown = markup.html(f"Words.\n\n{text}\n", kind) or ""

    tags = set(re.findall(r"<(\w+)", shown))
    assert tags <= {"p", "a", "table", "tbody", "br"}
    assert not re.search(r"<[^>]*(\son\w+=|style=|src|javascript|data:|tracker)", shown)
    assert 'id="content"' not in shown


def test_a_restructured_text_neither_reads_files_nor_loads_pictures() -> None:
    shown = markup.html("Title\n=====\n\n.. image:: https://tracker.example/x.png\n   :alt: a picture\n", "text/x-rst")

    assert shown is not None
    assert "tracker" not in shown
    assert "[a picture]" in shown
    assert markup.html(".. include:: /etc/passwd\n", "text/x-rst") is None


def test_headings_follow_those_of_the_page_and_leave_none_out() -> None:
    shown = markup.html("# One\n\n#### Two\n\n# Three\n\n## Four\n\n###### Five\n\n## Six\n", "text/markdown")

    assert shown is not None
    assert re.findall(r"<(h\d)[^>]*>(\w+)", shown) == [
        ("h3", "One"), ("h4", "Two"), ("h3", "Three"), ("h4", "Four"), ("h5", "Five"), ("h4", "Six"),
    ]  # fmt: skip
    assert "<a" not in shown  # a link of a heading to itself has no word in it


def test_links_go_where_they_say_without_a_recommendation_or_nowhere() -> None:
    text = "[a](https://a.example/) [b](docs/b.md) [c](#usage)\n\n## Usage\n"
    shown = markup.html(text, "text/markdown")

    assert shown is not None
    assert '<a href="https://a.example/" rel="nofollow noopener noreferrer">a</a>' in shown
    assert "docs/b.md" not in shown
    assert 'href="#user-content-usage"' in shown
    assert 'id="user-content-usage"' in shown


def test_what_is_plain_text_or_no_markup_is_shown_as_it_is(descriptions: Descriptions) -> None:
    assert descriptions.of(said("a *b*", "text/plain")).text == "a *b*"
    assert descriptions.of(said("*unfinished", "text/x-rst")).text == "*unfinished"
    assert descriptions.of(said("UNKNOWN")).text == ""
    assert "<em>b</em>" in descriptions.of(said("a *b*", sha256="other")).html


def test_of_a_long_description_the_beginning_is_shown_as_it_is(descriptions: Descriptions) -> None:
    found = descriptions.of(said("*a* " * 100_000))

    assert (found.cut, found.html, len(found.text)) == (True, "", 256 << 10)


def test_a_description_that_takes_too_long_is_shown_as_it_is_and_not_tried_again(
    descriptions: Descriptions,
) -> None:
    slow = said(">" * 200_000)
    began = time.monotonic()

    assert descriptions.of(slow).text == ">" * 200_000
    assert time.monotonic() - began < markup.LONGEST + 5

    again = time.monotonic()
    assert descriptions.of(slow).html == ""
    assert time.monotonic() - again < 1
    assert "<em>" in descriptions.of(said("*next*", sha256="b")).html


def test_the_program_answers_one_after_the_other_each_with_its_length() -> None:
    answers = io.BytesIO()
    markup.answer_all(io.BytesIO(b'["*a*", "text/markdown"]\n["a", "text/plain"]\n'), answers)

    first, second = b'"<p><em>a</em></p>\\n"', b"null"
    assert answers.getvalue() == b"".join(len(said).to_bytes(8, "big") + said for said in (first, second))


@pytest.fixture
def companion(monkeypatch: pytest.MonkeyPatch) -> Iterator[Companion]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    found = Companion("slow_program", patience=3, longest=100)
    yield found
    found.close()


@pytest.mark.parametrize("end", [b"hang", b"sleep", b"end"])
def test_a_companion_that_a_question_ends_answers_the_next_one(companion: Companion, end: bytes) -> None:
    assert companion.ask(b"one") == b"ONE"
    assert companion.ask(end) is None
    assert companion.ask(b"two") == b"TWO"


def test_a_companion_of_no_module_answers_nothing() -> None:
    companion = Companion("no_such_module_at_all", patience=30, longest=100)

    assert companion.ask(b"one") is None
    assert companion.ask(b"one") is None


def test_what_was_not_asked_for_longest_is_kept_no_longer() -> None:
    cache = ResponseCache(4000)
    for number in range(4):
        cache.put(number, bytes(800))
        assert cache.get(0) is not None
    assert [number for number in range(4) if cache.get(number) is not None] == [0, 2, 3]
    cache.put(0, bytes(3400))
    assert [number for number in range(4) if cache.get(number) is not None] == [0]


def test_no_renderer_is_imported_before_something_is_rendered() -> None:
    """A command that shows no page does not wait for them: each takes a tenth of a second and more."""
    modules = ("index.http.app", "index.copies.static_files")
    words = f"import sys, {', '.join(f'astronomer_certified.{name}' for name in modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint({"jinja2", "readme_renderer", "comrak", "nh3", "docutils", "pygments"})
