"""Which index is upstream, and that a password in its address stays with us."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from astronomer_certified import environments, interpreters, upstream_index
from astronomer_certified.errors import CertifiedError


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An index that asks for a login and does not answer."""
    upstream_index.index_url.cache_clear()
    monkeypatch.setenv(upstream_index.INDEX_VARIABLE, "http://reader:s3cret@127.0.0.1:9/simple/")
    yield upstream_index.index_url()
    upstream_index.index_url.cache_clear()


def test_the_variable_decides_which_index_is_upstream(private: str) -> None:
    assert private == "http://reader:s3cret@127.0.0.1:9/simple/"


def test_people_and_clients_see_the_address_without_the_password(private: str) -> None:
    assert upstream_index.shown_url() == "http://127.0.0.1:9/simple/"


def test_no_message_of_a_failed_command_holds_the_password(private: str) -> None:
    with pytest.raises(CertifiedError) as refused:
        environments.uv_call([interpreters.uv(), "pip", "compile", "--no-such-option"])

    assert "s3cret" not in str(refused.value)
