"""What somebody must look at when Debian has something else of a library than our wheels."""

from __future__ import annotations

from pathlib import Path

import pytest

from astronomer_certified.native import debian
from astronomer_certified.native.debian import Standing, Verdict


@pytest.mark.parametrize(
    ("source", "patched", "newest", "expected"),
    [
        ("1.20.1", "1.20.1-2+deb12u5", "1.20.1-2+deb12u5", Verdict.SAME),
        ("2.1.28+dfsg", "2.1.28+dfsg-10", "2.1.28+dfsg-10+deb12u1", Verdict.OTHER_PATCHES),
        ("10.11.18", "", "10.11.19-0+deb12u1", Verdict.OTHER_VERSION),
        ("3.0.20", "3.0.20-1~deb12u2", "3.0.22-1~deb12u2", Verdict.OTHER_VERSION),
        ("2.5.13+dfsg", "", "2.5.13+dfsg-5", Verdict.SAME),
        ("3.0.22", "", "3.0.22-1~deb12u2", Verdict.PATCHES),
        ("3.0.22", "", "", Verdict.UNKNOWN),
    ],
)
def test_a_library_stands_beside_debians(source: str, patched: str, newest: str, expected: Verdict) -> None:
    found = Standing(library="any", source=source, patched=patched, newest=newest, wheels=())
    assert found.verdict is expected


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("openssl_3.0.20-1~deb12u2.debian.tar.xz", "3.0.20-1~deb12u2"),
        ("mariadb_10.11.18.orig.tar.gz", "10.11.18"),
        ("cyrus-sasl2_2.1.28+dfsg.orig.tar.xz", "2.1.28+dfsg"),
    ],
)
def test_names_of_archives_say_their_version(filename: str, expected: str) -> None:
    assert debian._version_in(filename) == expected


def test_mirrors_are_asked_for_sources_in_both_forms_of_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    told.mkdir()
    (told / "a.list").write_text(
        "# deb of before\ndeb [signed-by=/k.gpg] mirror stable main\ndeb-src mirror stable main\n"
    )
    (told / "b.sources").write_text("Types: deb deb-src\nURIs: mirror\nSuites: stable\nSigned-By: /k.gpg\n")
    monkeypatch.setattr(debian, "_sources_lists", lambda: sorted(told.iterdir()))
    debian._prepared(tmp_path / "own")
    assert (tmp_path / "own" / "parts" / "0.list").read_text() == (
        "# deb of before\ndeb-src [signed-by=/k.gpg] mirror stable main\ndeb-src mirror stable main\n"
    )
    assert (tmp_path / "own" / "parts" / "1.sources").read_text() == (
        "Types: deb-src\nURIs: mirror\nSuites: stable\nSigned-By: /k.gpg\n"
    )
