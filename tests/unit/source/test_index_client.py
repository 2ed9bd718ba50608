"""Which index is upstream, and that a password in its address stays with us."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from astronomer_certified.effects import processes
from astronomer_certified.errors import CertifiedError
from astronomer_certified.pythons import environments, interpreters
from astronomer_certified.source import index_client


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An index that asks for a login and does not answer."""
    index_client.index_url.cache_clear()
    monkeypatch.setenv(index_client.INDEX_VARIABLE, "http://reader:s3cret@127.0.0.1:9/simple/")
    yield index_client.index_url()
    index_client.index_url.cache_clear()


def test_the_variable_decides_which_index_is_upstream(private: str) -> None:
    assert private == "http://reader:s3cret@127.0.0.1:9/simple/"


def test_people_and_clients_see_the_address_without_the_password(private: str) -> None:
    assert index_client.shown_url() == "http://127.0.0.1:9/simple/"


def test_no_message_of_a_failed_command_holds_the_password(private: str) -> None:
    with pytest.raises(CertifiedError) as refused:
        environments.uv_call([interpreters.uv(), "pip", "compile", "--no-such-option"])

    assert "s3cret" not in str(refused.value)


SHOWS = """
import os
path = os.environ["UV_CONFIG_FILE"]
print(path, oct(os.stat(path).st_mode & 0o777))
print(open(path).read())
"""


@pytest.mark.parametrize("words", [[], ["--offline"]])  # uv keeps its cache by index: offline too it must know which
def test_uv_gets_the_index_in_a_file_for_us_alone_that_lets_it_keep_files(private: str, words: list[str]) -> None:
    where, _, text = environments.uv_call([sys.executable, "-c", SHOWS, *words]).partition("\n")

    path, mode = where.split()
    settings = tomllib.loads(text)
    assert mode == "0o600"
    assert not Path(path).exists()
    assert settings["index"] == [
        {"url": private, "default": True, "cache-control": {"files": "max-age=31536000, immutable"}}
    ]


def test_uv_takes_no_settings_of_the_user(private: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".config" / "uv").mkdir(parents=True)
    (tmp_path / ".config" / "uv" / "uv.toml").write_text("no-such-setting = true\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    seen = processes.run([interpreters.uv(), "pip", "list"], check=False)
    assert "no-such-setting" in seen.stderr

    for words in (["pip", "compile"], ["pip", "compile", "--offline"]):
        (tmp_path / "in.txt").write_text("")
        environments.uv_call([interpreters.uv(), *words, "--quiet", "--no-header", tmp_path / "in.txt"])
