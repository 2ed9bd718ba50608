"""Pages for people: readable by everybody, and nothing on them runs."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from packaging.utils import NormalizedName
from tiny_wheels import NAME, wheel, whole

from astronomer_certified.index.api import notes, rendering
from astronomer_certified.index.api.notes import Fix, Note, Vulnerability
from astronomer_certified.index.api.site import Address
from astronomer_certified.index.api.web_pages import WebPages
from astronomer_certified.index.store.store import Store, Upload

NOTE = Note(
    version="2.1.0.post1",
    tag="2.1.0-1",
    upstream="2.1.0",
    patched="2.1.0+astro.1",
    pythons=("3.8",),
    cutoff="2021-05-28",
    fixes=(Fix(title="Ask <first>", cves=("CVE-2021-38540",), upstream="2.1.3", proof="test_it.py"),),
    providers={"apache-airflow-providers-http": "1.1.0"},
    constraints={"3.8": "amqp==2.6.1\n"},
    certificate=None,
    requirement="astronomer-certified[celery,postgres]==2.1.0.*",
    vulnerabilities=(
        Vulnerability(id="CVE-2021-38540", summary="Imports <anybody>.", state="fixed", reason="ask-<first>"),
        Vulnerability(id="CVE-2022-41672", summary="A session goes on.", state="affected"),
        Vulnerability(id="CVE-2020-17526", summary="One key.", state="in upstream"),
    ),
)


def palette(theme: str) -> dict[str, str]:
    """The colours of the style sheet, by their names."""
    light, _, dark = rendering.style().decode().partition("(prefers-color-scheme: dark)")
    found = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", light if theme == "light" else dark))
    assert len(found) >= 7
    return found


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance of #rrggbb."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("paper", ["paper", "box"])
@pytest.mark.parametrize("ink", ["ink", "quiet", "link", "warn", "good"])
def test_every_colour_of_text_can_be_read_on_every_ground(theme: str, paper: str, ink: str) -> None:
    colours = palette(theme)
    light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


VOID = ("meta", "link", "br", "hr", "input", "col")


class Balance(HTMLParser):
    """Which elements are open, and which occur; what a reader without eyes, or without a mouse, goes by."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[int] = []
        self.seen: set[str] = set()
        self.headings: list[int] = []
        self.ids: set[str | None] = set()
        self.labels: set[str | None] = set()
        self.inputs: set[str | None] = set()
        self.referred: set[str | None] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        known = dict(attrs)
        assert not {name for name in known if name.startswith("on") or name == "style"}
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if "id" in known:
            assert known["id"] not in self.ids
            self.ids.add(known["id"])
        self.labels |= {known["for"]} if tag == "label" else set()
        self.inputs |= {known["id"]} if tag == "input" else set()
        self.referred |= {known["aria-labelledby"]} if "aria-labelledby" in known else set()
        assert tag != "th" or known["scope"] in ("col", "row")
        assert tag != "a" or (known.get("href") or "./").startswith(
            ("http://", "https://", "#", ".", "project/", "simple/")
        )
        if tag not in VOID:
            self.open.append(tag)
            self.words.append(0)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        words = self.words.pop()
        assert words or tag not in ("a", "button", "summary", "h1", "h2", "h3", "th", "label"), f"{tag} without a word"
        if self.words:
            self.words[-1] += words

    def handle_data(self, data: str) -> None:
        if self.words:
            self.words[-1] += len(data.strip())


def checked(page: bytes) -> str:
    balance = Balance()
    balance.feed(page.decode())
    assert balance.open == []
    assert balance.seen.isdisjoint({"script", "style", "img", "iframe", "object", "svg", "base"})
    assert {"header", "nav", "main", "footer", "h1", "title"} <= balance.seen
    assert balance.headings[0] == 1
    assert balance.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(balance.headings))
    assert balance.inputs <= balance.labels
    assert balance.referred <= balance.ids
    return page.decode()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Store, WebPages]]:
    store = Store.open(tmp_path / "store")
    store.add(Upload(filename=NAME), io.BytesIO(wheel()))
    members = {
        "astronomer_certified-2.1.0.post1.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: astronomer-certified\nVersion: 2.1.0.post1\n"
        ),
        "astronomer_certified-2.1.0.post1.dist-info/WHEEL": "Wheel-Version: 1.0\n",
        "astronomer_certified-2.1.0.post1.dist-info/RECORD": "",
    }
    store.add(Upload(filename="astronomer_certified-2.1.0.post1-py3-none-any.whl"), io.BytesIO(wheel(members)))
    pages = WebPages(store, Address(public_url="http://index.example/"))
    yield store, pages
    pages.close()


def test_a_release_shows_what_it_fixes_and_how_to_install_it(site: tuple[Store, WebPages]) -> None:
    store, pages = site
    notes.write(store, [NOTE])

    for path in ("/", "/project/astronomer-certified/"):
        answer = pages.answer(path, "")
        assert answer is not None
        text = checked(answer.body)
        assert "pip install --index-url http://index.example/simple/ &#39;astronomer-certified[celery,postgres]" in text
        assert "CVE-2021-38540" in text
    assert "Ask &lt;first&gt;" in text
    assert "amqp==2.6.1" in text
    assert "No certificate" in text


def test_a_release_says_what_it_does_not_fix(site: tuple[Store, WebPages]) -> None:
    store, pages = site
    notes.write(store, [NOTE])

    answer = pages.answer("/project/astronomer-certified/", "")

    assert answer is not None
    text = checked(answer.body)
    assert "Its patches fix 1 of 2 known vulnerabilities." in text
    assert (
        'Imports &lt;anybody&gt;.</span></th><td><span class="good" title="ask-&lt;first&gt;">fixed</span></td>' in text
    )
    assert 'A session goes on.</span></th><td><span class="warn">not fixed</span></td>' in text
    assert "CVE-2020-17526" not in text, "concerns no release that is here"


def test_notes_of_an_older_tool_are_read(site: tuple[Store, WebPages]) -> None:
    store, _ = site
    notes.write(store, [NOTE])
    path = store.records / "notes.json"
    values = json.loads(path.read_text())
    for value in values:
        del value["vulnerabilities"]
    path.write_text(json.dumps(values))

    assert notes.read(store)["2.1.0.post1"].vulnerabilities == ()


def test_without_notes_a_page_shows_what_the_files_say(site: tuple[Store, WebPages]) -> None:
    store, pages = site
    name = NormalizedName("tiny")

    def yank(reason: str) -> None:
        store.change(name, lambda record: record.holding(replace(record.files[0], yanked=reason)))

    yank("<b>bad</b>")
    answer = pages.answer("/project/tiny/", "")
    assert answer is not None
    text = checked(answer.body)
    assert "&lt;b&gt;bad&lt;/b&gt;" in text
    assert "../../packages/tiny-1.0-py3-none-any.whl" in text


def test_only_what_is_final_and_not_yanked_is_recommended(site: tuple[Store, WebPages]) -> None:
    store, pages = site
    name = NormalizedName("tiny")

    def add(version: str) -> None:
        metadata = f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"
        content = wheel(whole(metadata=metadata, folder=f"tiny-{version}.dist-info"))
        store.add(Upload(filename=f"tiny-{version}-py3-none-any.whl"), io.BytesIO(content))

    def shown() -> str:
        answer = pages.answer("/project/tiny/", "")
        assert answer is not None
        return checked(answer.body)

    def yank(number: int) -> None:
        store.change(name, lambda record: record.holding(replace(record.files[number], yanked="")))

    add("1.1")
    add("2.0rc1")
    assert "simple/ tiny==1.1<" in shown()
    yank(1)
    assert "simple/ tiny==1.0<" in shown()
    yank(0)
    assert "There is no final release that is not yanked." in shown()
    assert "pip install" not in shown()


def test_a_yank_stands_below_the_name_of_what_is_yanked(site: tuple[Store, WebPages]) -> None:
    store, pages = site
    notes.write(store, [NOTE])
    name = NormalizedName("astronomer-certified")
    store.change(name, lambda record: record.holding(replace(record.files[0], yanked="no good")))

    answer = pages.answer("/", "")

    assert answer is not None
    assert '2.1.0-1</a><br><span class="warn">yanked: no good</span></th>' in checked(answer.body)


def test_what_a_field_is_for_can_be_read() -> None:
    """Browsers make it pale unless they are told: it has the colour and the ground that are checked above."""
    style = re.sub(r"\s+", " ", rendering.style().decode())
    assert "::placeholder { color: var(--quiet); opacity: 1; }" in style
    assert "input, button { font: inherit; padding: .35rem .6rem; color: inherit; background: var(--box);" in style


def test_search_finds_parts_of_names_and_shows_the_words_as_text(site: tuple[Store, WebPages]) -> None:
    _, pages = site
    found = pages.answer("/search", "q=Certif+astro")
    odd = pages.answer("/search", "q=%3Cscript%3E%22")

    assert found is not None
    assert odd is not None
    assert "project/astronomer-certified/" in checked(found.body)
    assert "project/tiny/" not in found.body.decode()
    assert "0 projects" in checked(odd.body)


@pytest.mark.parametrize("path", ["/project/nothing/", "/project/", "/project/tiny/more", "/other"])
def test_what_is_not_there_has_no_page(site: tuple[Store, WebPages], path: str) -> None:
    assert site[1].answer(path, "") is None


def test_another_spelling_is_sent_to_the_right_page(site: tuple[Store, WebPages]) -> None:
    answers = [site[1].answer(path, "") for path in ("/project/Tiny/", "/project/tiny")]
    assert [(a.status, a.headers[0][1]) for a in answers if a is not None] == [(301, "../tiny/"), (301, "tiny/")]
