"""The page of a project and those of its versions: what METADATA and records say, and nothing of it runs."""

from __future__ import annotations

import configparser
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from importlib import resources
from pathlib import Path, PurePosixPath

import pytest
from factories import ROOT
from packaging.utils import NormalizedName
from test_web_pages import NOTE, checked
from tiny_wheels import wheel, whole

from astronomer_certified.index.api import notes
from astronomer_certified.index.api.notes import Fix, Vulnerability
from astronomer_certified.index.api.site import Address
from astronomer_certified.index.api.web_pages import WebPages
from astronomer_certified.index.store.records import FileRecord, ProjectRecord, Status
from astronomer_certified.index.store.store import Store, Upload

TINY = NormalizedName("tiny")
FULL = """\
Summary: A tiny <tool>
Requires-Python: >=3.8
License-Expression: MIT
Author-email: Ada <ada@example.com>
Keywords: small,tool
Home-page: javascript:alert(1)
Project-URL: Source, https://source.example/tiny?a=1&b="2"
Project-URL: Evil, JaVaScRiPt:alert(2)
Project-URL: Odd, https://[
Project-URL: <b>Label</b>, http://label.example/
Provides-Extra: fast
Requires-Dist: requests>=2; python_version < "3.9"
Classifier: Topic :: <Testing>
Description-Content-Type: text/markdown

# Tiny

It is *small*.
"""


class Index:
    """A store, and its pages."""

    def __init__(self, root: Path, **address: str) -> None:
        self.store = Store.open(root)
        self.pages = WebPages(self.store, Address(**{"public_url": "http://index.example/", **address}))

    def add(self, version: str, more: str = "", name: str = "tiny") -> str:
        metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{more}"
        stem = f"{name.replace('-', '_')}-{version}"
        content = wheel(whole(metadata=metadata, folder=f"{stem}.dist-info"))
        self.store.add(Upload(filename=f"{stem}-py3-none-any.whl"), io.BytesIO(content))
        return f"{stem}-py3-none-any.whl"

    def shown(self, path: str) -> str:
        answer = self.pages.answer(path, "")
        assert answer is not None, path
        assert answer.status == 200
        return checked(answer.body)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    found = Index(tmp_path / "store")
    yield found
    found.pages.close()


def test_a_project_shows_what_its_newest_version_says_of_itself(index: Index) -> None:
    index.add("1.0")
    filename = index.add("1.1", FULL)
    text = index.shown("/project/tiny/")

    for words in (
        "A tiny &lt;tool&gt;", "&gt;=3.8", "MIT", "Ada &lt;ada@example.com&gt;", "small, tool", "fast",
        "requests&gt;=2; python_version &lt; &#34;3.9&#34;", "Topic :: &lt;Testing&gt;", "It is <em>small</em>.",
        f"../../packages/{filename}", "../../project/tiny/1.0/", "--hash=sha256:", "uv pip install",
    ):  # fmt: skip
        assert words in text
    sha256 = index.store.project(TINY).files[1].sha256  # type: ignore[union-attr]
    assert f'<code class="hash">{sha256}</code>' in text


def test_links_lead_to_the_web_only(index: Index) -> None:
    index.add("1.0", FULL)
    text = index.shown("/project/tiny/")

    assert re.findall(r'href="([^"]*)" rel="nofollow noopener noreferrer">([^<]*)<', text) == [
        ("https://source.example/tiny?a=1&amp;b=&#34;2&#34;", "Source"),
        ("http://label.example/", "&lt;b&gt;Label&lt;/b&gt;"),
    ]  # fmt: skip
    assert "alert" not in text


def test_a_version_has_a_page_that_names_a_newer_one(index: Index) -> None:
    index.add("1.0", "Summary: The old one\n")
    index.add("2.0", "Summary: The new one\n")

    old, new = index.shown("/project/tiny/1.0/"), index.shown("/project/tiny/2.0/")

    assert "The old one" in old
    assert 'There is a newer version: <a href="../2.0/">2.0</a>' in old
    assert "tiny==1.0" in old
    assert "../../../packages/tiny-1.0-py3-none-any.whl" in old
    assert "newer version" not in new


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/project/tiny/1.0", "../tiny/1.0/"),
        ("/project/tiny/1.0.0/", "../../tiny/1.0/"),
        ("/project/TINY/v1", "../tiny/1.0/"),
        ("/project/tiny/1%212/", "../../tiny/1%212.0/"),
    ],
)
def test_another_spelling_of_a_version_is_sent_to_its_page(index: Index, path: str, location: str) -> None:
    index.add("1.0")
    index.add("1!2.0")
    answer = index.pages.answer(path, "")

    assert answer is not None
    assert (answer.status, answer.headers[0]) == (301, ("Location", location))


@pytest.mark.parametrize("path", ["/project/tiny%2F1.0/", "/project/tiny%2f1.0%2f", "/project/TINY%2F1.0"])
def test_an_encoded_slash_is_part_of_a_name_and_leads_nowhere(index: Index, path: str) -> None:
    index.add("1.0")
    assert index.pages.answer(path, "") is None


@pytest.mark.parametrize("version", ["3.0", "x", "1.0/1.0", "%00", "1" * 5000, ".."])
def test_a_version_that_is_not_there_has_no_page(index: Index, version: str) -> None:
    index.add("1.0")
    assert index.pages.answer(f"/project/tiny/{version}/", "") is None


def test_what_is_to_be_typed_is_quoted_for_a_shell(index: Index) -> None:
    index.add("1!2.0")
    assert "pip install --index-url http://index.example/simple/ 'tiny==1!2.0'" in unescape(
        index.shown("/project/tiny/")
    )
    index.add("2.0+local.1", name="other")
    assert "simple/ other==2.0+local.1<" in index.shown("/project/other/")


def test_an_address_that_a_shell_would_read_is_quoted(tmp_path: Path) -> None:
    index = Index(tmp_path / "store", public_url="http://index.example/a;b/")
    assert "pip config set global.index-url 'http://index.example/a;b/simple/'" in unescape(index.shown("/"))
    assert "pip install --index-url 'http://index.example/a;b/simple/' PROJECT" in unescape(index.shown("/"))


def test_yanked_withheld_and_quarantined_are_said_with_their_reason_as_text(index: Index) -> None:
    first, second = index.add("1.0"), index.add("2.0")

    def withhold(filename: str) -> None:
        index.store.change(TINY, lambda record: record.holding(replace(record.find(filename), withheld="<i>cut</i>")))  # type: ignore[type-var]

    def yank(filename: str) -> None:
        index.store.change(TINY, lambda record: record.holding(replace(record.find(filename), yanked="<i>bad</i>")))  # type: ignore[type-var]

    withhold(second)
    yank(first)
    text = index.shown("/project/tiny/2.0/")
    assert "withheld: &lt;i&gt;cut&lt;/i&gt;" in text
    assert f"packages/{second}" not in text
    assert "pip install" not in text
    assert "This version is" in index.shown("/project/tiny/1.0/")
    assert "yanked: &lt;i&gt;bad&lt;/i&gt;" in index.shown("/project/tiny/1.0/")

    index.store.change(TINY, lambda record: replace(record, status=Status.QUARANTINED, reason="<i>looked at</i>"))
    text = index.shown("/project/tiny/")
    assert "<strong>quarantined</strong> &lt;i&gt;looked at&lt;/i&gt;" in text
    assert "packages/tiny" not in text


def test_fixes_come_in_groups_and_what_is_open_is_folded(index: Index) -> None:
    index.add("2.1.0.post1", name="astronomer-certified")
    other = Fix(title="Build again", cves=(), upstream="", proof="test_other.py")
    notes.write(index.store, [replace(NOTE, fixes=(other, *NOTE.fixes))])
    text = index.shown("/project/astronomer-certified/2.1.0.post1/")

    places = [text.index(words) for words in ("Vulnerabilities that it fixes", "Ask &lt;first&gt;", "Other corrections",
              "Build again", "What it does not fix", "A session goes on.")]  # fmt: skip
    assert places == sorted(places)
    assert '<details><summary class="warn">1 known: read before you rely on it</summary>' in text


def test_bugs_are_named_that_a_release_fixes_and_that_it_has(index: Index) -> None:
    index.add("2.1.0.post1", name="astronomer-certified")
    other = Fix(title="Try it again", cves=(), upstream="", proof="test_other.py", bugs=("apache/airflow#16301",))
    bug = Vulnerability(id="airflow-15263", summary="It is <left> alone.", state="affected", reason="not small")
    notes.write(index.store, [replace(NOTE, fixes=(other, *NOTE.fixes), bugs=(bug,))])
    text = index.shown("/project/astronomer-certified/2.1.0.post1/")

    for shown in (
        "apache/airflow#16301",
        "Bugs that it has",
        "<summary>1 known</summary>",
        "airflow-15263",
        "not small",
    ):
        assert shown in text
    assert "It is &lt;left&gt; alone." in text


def test_notes_that_an_older_program_wrote_have_no_bugs(index: Index) -> None:
    index.add("2.1.0.post1", name="astronomer-certified")
    notes.write(index.store, [NOTE])
    path = index.store.records / "notes.json"
    [older] = json.loads(path.read_text(encoding="utf-8"))
    del older["bugs"]
    for fix in older["fixes"]:
        del fix["bugs"]
    path.write_text(json.dumps([older]), encoding="utf-8")

    text = index.shown("/project/astronomer-certified/2.1.0.post1/")
    assert "Ask &lt;first&gt;" in text
    assert "Bugs that it has" not in text


def test_a_page_is_sent_again_only_when_it_changed(index: Index) -> None:
    index.add("1.0")
    first = index.pages.answer("/project/tiny/", "", {"accept-encoding": "gzip"})
    assert first is not None
    etag = dict(first.headers)["ETag"]
    asked = {"accept-encoding": "gzip", "if-none-match": etag}

    same = index.pages.answer("/project/tiny/", "", asked)
    index.add("1.1")
    changed = index.pages.answer("/project/tiny/", "", asked)

    assert same is not None
    assert changed is not None
    assert (same.status, same.body, changed.status) == (304, b"", 200)


def test_damaged_metadata_is_not_shown(index: Index) -> None:
    filename = index.add("1.0", "Summary: The real one\n")
    index.store.metadata(filename).write_text("Summary: Somebody else's\n")
    assert "Somebody" not in index.shown("/project/tiny/")


def test_the_style_sheet_is_a_file_of_ours_with_a_name_of_its_own(index: Index) -> None:
    text = index.shown("/")
    name = re.findall(r'<link rel="stylesheet" href="(static/style-[0-9a-f]{12}\.css)">', text)[0]

    style, other = index.pages.answer(f"/{name}", ""), index.pages.answer("/static/style-000000000000.css", "")
    page = index.pages.answer("/", "")

    assert style is not None
    assert page is not None
    assert other is None
    assert dict(style.headers)["Cache-Control"].endswith("immutable")
    assert "style-src 'self'" in dict(page.headers)["Content-Security-Policy"]
    assert "unsafe" not in dict(page.headers)["Content-Security-Policy"]


def templates() -> dict[str, str]:
    folder = resources.files("astronomer_certified.index.api") / "templates"
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_only_a_cleaned_description_is_shown_as_the_markup_that_it_is() -> None:
    safe = [line.strip() for text in templates().values() for line in text.splitlines() if re.search(r"\bsafe\b", line)]
    assert safe == ["{{ page.description.html | safe }}"]
    assert [name for name, text in templates().items() if "autoescape" in text or "Markup" in text] == []


def test_templates_and_the_style_sheet_ship_in_the_wheel() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    patterns = re.split(r",\s*", setup["options.package_data"]["astronomer_certified"].strip())
    paths = [PurePosixPath("index/api/templates") / name for name in templates()]

    assert len(paths) >= 7
    assert [path for path in paths if not any(path.match(pattern) for pattern in patterns)] == []


def test_the_page_of_a_version_names_the_newest_ones_and_that_of_the_project_all(index: Index) -> None:
    file = FileRecord(
        filename="", version="", sha256="0" * 64, size=1, uploaded="2026-01-01T00:00:00.000000Z", uploader="x"
    )
    files = [replace(file, filename=f"tiny-1.{n}-py3-none-any.whl", version=f"1.{n}") for n in range(200)]
    record = ProjectRecord(name=NormalizedName("tiny"), files=tuple(files))
    index.store.write(index.store.record_file(record.name), record.to_json())
    own, one = index.shown("/project/tiny/"), index.shown("/project/tiny/1.0/")
    assert [f"project/tiny/1.{n}/" in own for n in range(200)] == [True] * 200
    assert [n for n in range(200) if f"project/tiny/1.{n}/" in one] == list(range(180, 200))
    assert '<a href="../../../project/tiny/#versions">180 older ones</a>' in one
    assert "older ones</a>" not in own
