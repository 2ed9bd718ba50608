"""What clients ask for that know no simple API: JSON of a project, and a page with all files."""

from __future__ import annotations

import io
import json
import os
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import NormalizedName
from tiny_wheels import wheel, whole

from astronomer_certified.index.api import find_links
from astronomer_certified.index.api.older_clients import OlderClients
from astronomer_certified.index.api.site import Address, Answer
from astronomer_certified.index.store.records import Status
from astronomer_certified.index.store.store import Store, Upload

TINY = NormalizedName("tiny")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def add(store: Store, version: str, more: str = "") -> None:
    metadata = f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n{more}"
    content = wheel(whole(metadata=metadata, folder=f"tiny-{version}.dist-info"))
    store.add(Upload(filename=f"tiny-{version}-py3-none-any.whl"), io.BytesIO(content))


def asked(store: Store, path: str, public: str | None = "http://index.example/", **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = OlderClients(store, Address(public_url=public)).answer(path, names)
    assert answer is not None
    return answer


def page(store: Store, path: str, public: str | None = "http://index.example/") -> dict[str, Any]:
    answer = asked(store, path, public)
    assert answer.status == 200
    values: dict[str, Any] = json.loads(answer.body)
    return values


def test_the_json_of_a_project_has_the_fields_that_tools_read(store: Store) -> None:
    more = (
        "Summary: A tool\nRequires-Python: >=3.8\nRequires-Dist: requests\nProvides-Extra: x\nLicense: MIT\n"
        "Project-URL: Source, https://source.example/\nClassifier: Topic :: X\nKeywords: a,b\n"
        "Description-Content-Type: text/markdown\n\nWords.\n"
    )
    add(store, "1.0")
    add(store, "1.1", more)
    add(store, "2.0rc1")
    found = page(store, "/pypi/tiny/json")

    about = found["info"]
    assert (about["name"], about["version"], about["summary"], about["license"]) == ("tiny", "1.1", "A tool", "MIT")
    assert (about["requires_python"], about["requires_dist"], about["provides_extra"]) == (">=3.8", ["requests"], ["x"])
    assert (about["description"], about["description_content_type"]) == ("Words.", "text/markdown")
    assert (about["project_urls"], about["classifiers"]) == ({"Source": "https://source.example/"}, ["Topic :: X"])
    assert (about["keywords"], about["yanked"], about["yanked_reason"]) == ("a,b", False, None)
    assert about["release_url"] == "http://index.example/project/tiny/1.1/"
    assert list(found["releases"]) == ["1.0", "1.1", "2.0rc1"]
    assert (found["vulnerabilities"], found["last_serial"]) == ([], 0)
    record = store.project(TINY)
    assert record is not None
    known = record.files[1]
    assert found["urls"] == found["releases"]["1.1"]
    unused = ("comment_text", "downloads", "has_sig")
    assert {key: value for key, value in found["urls"][0].items() if key not in unused} == {
        "filename": known.filename, "url": f"http://index.example/packages/{known.filename}", "size": known.size,
        "digests": {"sha256": known.sha256}, "packagetype": "bdist_wheel", "python_version": "py3",
        "requires_python": ">=3.8", "upload_time": known.uploaded[:19], "upload_time_iso_8601": known.uploaded,
        "yanked": False, "yanked_reason": None,
    }  # fmt: skip


def test_a_version_has_its_own_json(store: Store) -> None:
    add(store, "1.0", "Summary: Old\n")
    add(store, "1.1")
    found = page(store, "/pypi/tiny/1.0/json")

    assert (found["info"]["version"], found["info"]["summary"]) == ("1.0", "Old")
    assert [file["filename"] for file in found["urls"]] == ["tiny-1.0-py3-none-any.whl"]


@pytest.mark.parametrize(("path", "up"), [("/pypi/tiny/json", "../../"), ("/pypi/tiny/1.0/json", "../../../")])
def test_addresses_are_relative_where_nobody_said_where_the_index_is(store: Store, path: str, up: str) -> None:
    add(store, "1.0")
    assert page(store, path, None)["urls"][0]["url"] == f"{up}packages/tiny-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/pypi/Tiny/json", "../tiny/json"),
        ("/pypi/TINY/1.0/json", "../../tiny/1.0/json"),
        ("/pypi/tiny/1.0.0/json", "../../tiny/1.0/json"),
        ("/packages", "packages/"),
    ],
)
def test_another_spelling_is_sent_to_the_right_one(store: Store, path: str, location: str) -> None:
    add(store, "1.0")
    answer = asked(store, path)
    assert (answer.status, answer.headers[0]) == (301, ("Location", location))


@pytest.mark.parametrize(
    "path",
    [
        "/pypi/nothing/json",
        "/pypi/tiny/9/json",
        "/pypi//json",
        "/pypi/../json",
        "/pypi/tiny/1.0/more/json",
        "/pypi/tiny%2F1.0/json",
        "/pypi/Tiny%2F1.0/json",
        "/pypi/%00/json",
    ],
)
def test_what_is_not_here_is_said_to_be_nowhere(store: Store, path: str) -> None:
    add(store, "1.0")
    assert asked(store, path).status == 404


def test_what_is_withheld_is_on_no_page(store: Store) -> None:
    add(store, "1.0")
    add(store, "1.1")

    def withhold() -> None:
        store.change(TINY, lambda record: record.holding(replace(record.files[1], withheld="damaged")))

    withhold()
    assert list(page(store, "/pypi/tiny/json")["releases"]) == ["1.0"]
    assert asked(store, "/pypi/tiny/1.1/json").status == 404
    assert b"tiny-1.1" not in asked(store, "/packages/").body
    store.change(TINY, lambda record: replace(record, status=Status.QUARANTINED))
    assert asked(store, "/pypi/tiny/json").status == 404
    assert b"tiny-1.0" not in asked(store, "/packages/").body


def test_a_yank_is_told_with_its_reason(store: Store) -> None:
    add(store, "1.0")
    store.change(TINY, lambda record: record.holding(replace(record.files[0], yanked="bad")))
    found = page(store, "/pypi/tiny/json")

    assert (found["info"]["yanked"], found["info"]["yanked_reason"]) == (True, "bad")
    assert (found["urls"][0]["yanked"], found["urls"][0]["yanked_reason"]) == (True, "bad")


def test_the_json_is_sent_again_only_when_it_changed(store: Store) -> None:
    add(store, "1.0")
    etag = dict(asked(store, "/pypi/tiny/json").headers)["ETag"]
    assert asked(store, "/pypi/tiny/json", if_none_match=etag).status == 304
    add(store, "1.1")
    assert asked(store, "/pypi/tiny/json", if_none_match=etag).status == 200


def test_all_files_are_on_one_page_with_their_hashes(store: Store) -> None:
    add(store, "1.0", "Requires-Python: >=3.8\n")
    record = store.project(TINY)
    assert record is not None
    answer = asked(store, "/packages/")

    link = f'href="tiny-1.0-py3-none-any.whl#sha256={record.files[0].sha256}" data-requires-python="&gt;=3.8"'
    assert link in answer.body.decode()


def test_the_page_of_all_files_shows_what_changed_a_moment_ago(store: Store) -> None:
    clients = OlderClients(store, Address())
    for number in range(5):
        add(store, f"1.{number}")
        # Its time is that of the last change: too new to be told from the next one.
        wait_until_old = clients._files._made
        if wait_until_old is not None:
            clients._files._made = replace(wait_until_old, until=0.0)
        answer = clients.answer("/packages/", {})
        assert answer is not None
        assert len(re.findall("<a ", answer.body.decode())) == number + 1


def test_the_page_of_all_files_is_made_once_for_each_state(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, "1.0")
    os.utime(store.records / "projects", ns=(10**18, 10**18))
    clients = OlderClients(store, Address())
    first = clients.answer("/packages/", {})
    made = clients._files._made
    assert made is not None
    clients._files._made = replace(made, until=0.0)

    assert clients.answer("/packages/", {}) == first
    assert clients._files._made.body is made.body  # type: ignore[union-attr]


def test_while_the_page_of_all_files_is_made_others_get_the_last_one_or_come_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find_links, "_TURN", 0.01)
    add(store, "1.0")
    files = find_links.FindLinks(store, Address())
    with files._turn:  # somebody makes it
        waiting: list[Answer] = []
        thread = threading.Thread(target=lambda: waiting.append(files.answer({})))
        thread.start()
        thread.join()
        assert waiting[0].status == 503
        assert dict(waiting[0].headers)["Retry-After"] == "1"
    old = files.answer({})
    add(store, "1.1")
    made = files._made
    assert made is not None
    files._made = replace(made, until=0.0, stamp=0)
    with files._turn:
        assert files.answer({}) == old


def test_a_damaged_record_keeps_no_other_file_from_the_page(store: Store) -> None:
    add(store, "1.0")
    store.write(store.record_file(NormalizedName("other")), b"garbage")
    store.names_file.write_text("tiny\nother\n")
    assert b"tiny-1.0" in asked(store, "/packages/").body
