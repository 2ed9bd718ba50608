"""What METADATA says, on pages: whole lines of it, and nothing that acts on whoever reads them."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import NormalizedName
from tiny_wheels import METADATA, NAME, wheel, whole

from astronomer_certified.index.api import find_links, metadata, pages
from astronomer_certified.index.api.pages import Places
from astronomer_certified.index.api.site import Address
from astronomer_certified.index.api.web_pages import WebPages
from astronomer_certified.index.store.records import FileRecord
from astronomer_certified.index.store.store import Store, Upload
from astronomer_certified.index.store.validation import Refused

TINY = NormalizedName("tiny")
MB = 1 << 20

# C0 but for blanks, DEL and C1.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Store, WebPages]]:
    store = Store.open(tmp_path / "packages")
    shown = WebPages(store, Address())
    yield store, shown
    shown.close()


def publish(store: Store, text: str) -> metadata.Said:
    """What is read of a wheel whose METADATA has this, too."""
    store.add(Upload(filename=NAME), io.BytesIO(wheel(whole(metadata=METADATA + text))))
    record = store.project(TINY)
    assert record is not None
    return metadata.of(store, record.files)


def long(kind: str) -> str:
    """More than a megabyte, whose megabyte ends within a line of that kind."""
    if kind == "headers":
        return "".join(f"Requires-Dist: dependency-{number:06}>=1.0\n" for number in range(40_000))
    if kind == "folded headers":
        rest = "".join(f"        word-{number:06} word word\n" for number in range(40_000))
        return f"Requires-Dist: dependency-000000>=1.0\nLicense: The\n{rest}\n"
    text = "".join(f"Line {number:06} \u00e9\u00e9\u00e9\n" for number in range(80_000))
    return f"Requires-Dist: dependency-000000>=1.0\n\n{text}"


@pytest.mark.parametrize("kind", ["headers", "folded headers", "a description"])
def test_of_very_long_metadata_whole_lines_are_read_and_the_page_says_so(
    site: tuple[Store, WebPages], kind: str
) -> None:
    store, shown = site
    said = publish(store, long(kind))
    body = shown.answer("/project/tiny/", "")

    assert said.cut
    assert all(re.fullmatch(r"dependency-\d{6}>=1\.0", line) for line in said.raw["requires_dist"])
    assert "license" not in said.raw
    assert kind != "a description" or re.fullmatch(r"(Line \d{6} \u00e9\u00e9\u00e9\n)+", said.raw["description"])
    assert body is not None
    assert "It says more of itself than is shown here" in body.body.decode()


def test_metadata_of_a_usual_length_is_read_as_a_whole(site: tuple[Store, WebPages]) -> None:
    said = publish(site[0], f"Summary: short\n\n{'a' * 1000}")
    assert (said.cut, said.raw["description"]) == (False, "a" * 1000)


@pytest.mark.parametrize("kind", ["text/markdown", "text/x-rst", "text/plain"])
def test_control_characters_are_on_no_page(site: tuple[Store, WebPages], kind: str) -> None:
    store, shown = site
    acts = "\x1b[31mred\x07\x7f\u009b2J"
    text = (
        f"Summary: {acts}\nAuthor: {acts}\nLicense: {acts}\nProject-URL: {acts}, https://h/{acts}\nClassifier: {acts}\n"
    )
    publish(
        store, f"{text}Description-Content-Type: {kind}\n\nA {acts} `&#27;[31m` &#27;[31m &#x9b; [{acts}](https://h/)\n"
    )
    record = store.change(
        TINY,
        lambda record: replace(record.holding(replace(record.files[0], yanked=f"{acts}\nno\u2028good")), reason=acts),
    )
    answers = [shown.answer(path, "") for path in ("/project/tiny/", "/project/tiny/1.0/", "/")]
    found = [answer.body for answer in answers if answer is not None]
    found += [pages.project_html(record, Places()), find_links.page(find_links.lines(record, Places()))]

    assert len(found) == 5
    assert [CONTROL.findall(page.decode()) for page in found] == [[]] * 5
    assert all("[31mred" in page.decode() for page in found[:2])
    assert 'data-yanked="[31mred2J no good"' in found[3].decode()


def spellings(word: str, count: int) -> list[str]:
    """So many spellings of a word that are one to a mail reader."""
    return ["".join(c.upper() if n >> at & 1 else c for at, c in enumerate(word)) for n in range(count)]


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{name}: \u00e9\n" for name in spellings("classifier", 800)),
        "".join(f"x-{number}: a\n" for number in range(5_000)),
    ],
    ids=["one field in many spellings", "thousands of fields"],
)
def test_metadata_whose_fields_would_take_long_to_tell_apart_are_refused_and_no_page_reads_them(
    site: tuple[Store, WebPages], tmp_path: Path, text: str
) -> None:
    store, _ = site
    with pytest.raises(Refused, match="is not taken"):
        publish(store, text)
    # Published before such were refused.
    content = (METADATA + text).encode()
    store.write(store.metadata(NAME), content)
    file = FileRecord(
        filename=NAME, version="1.0", sha256="0" * 64, size=1, uploaded="2026-01-01T00:00:00.000000Z",
        uploader="somebody", metadata_sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    assert metadata.of(store, [file]) == metadata.Said(raw={})


def test_a_field_that_an_older_tool_spelled_in_another_way_is_read(site: tuple[Store, WebPages]) -> None:
    said = publish(site[0], "Home-page: https://x.invalid/\nhome-page: UNKNOWN\nCLASSIFIER: One\nClassifier: Two\n")
    assert said.raw["classifiers"] == ["One", "Two"]
