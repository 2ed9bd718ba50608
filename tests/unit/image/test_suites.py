"""Every system package of the architecture document is in the image, or it is said why not."""

from __future__ import annotations

import pytest
from factories import ROOT

from astronomer_certified.errors import UsageError
from astronomer_certified.image import suites

# As the document lists them; it has build-essential twice.
DOCUMENT = [
    "apt-utils", "build-essential", "curl", "build-essential", "default-libmysqlclient-dev", "libmariadb3",
    "freetds-bin", "gosu", "libffi6", "libffi-dev", "libkrb5-3", "libkrb5-dev", "libpq5", "libpq-dev", "libsasl2-2",
    "libsasl2-dev", "libsasl2-modules", "libssl1.1", "libssl-dev", "locales", "netcat", "rsync", "sasl2-bin", "sudo",
    "tini",
]  # fmt: skip


@pytest.mark.parametrize("name", suites.names())
def test_all_packages_of_the_document_are_accounted_for(name: str) -> None:
    suite = suites.find(name)
    assert len(DOCUMENT) == 25
    assert len(suite.packages) + len(suite.omitted) == len(set(DOCUMENT))
    assert {item.name for item in suite.omitted} < set(DOCUMENT)
    assert all(len(item.why) > 10 for item in suite.omitted)
    assert len(set(suite.packages)) == len(suite.packages)


def test_on_the_documents_own_base_they_have_its_names() -> None:
    suite = suites.find("buster")
    assert {*suite.packages, *(item.name for item in suite.omitted)} == set(DOCUMENT)


def test_no_package_of_the_image_compiles_anything() -> None:
    for name in suites.names():
        assert not [package for package in suites.find(name).packages if package.endswith("-dev") or "gcc" in package]


def test_a_debian_release_that_is_not_known_is_told_with_the_near_one() -> None:
    with pytest.raises(UsageError, match="bookwurm") as told:
        suites.find("bookwurm")
    assert told.value.hint == "did you mean bookworm?"
    with pytest.raises(UsageError) as told:
        suites.find("jammy")
    assert "bookworm" in str(told.value.hint)


def test_the_documentation_says_what_is_not_in_the_image() -> None:
    text = (ROOT / "docs" / "image.md").read_text(encoding="utf-8")
    for item in suites.find("bookworm").omitted:
        assert f"`{item.name}`" in text
