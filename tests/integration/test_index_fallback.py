"""Other people's projects: redirected or passed on, and never in the place of ours. Upstream may be hostile."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from index_fixtures import IndexFolder, make_wheel, pip_download, sha256
from pypi_simple import PyPISimple

from astronomer_certified.index.api.fallback import Mode
from astronomer_certified.index.http.options import Options
from astronomer_certified.index.http.server import Server
from astronomer_certified.index.store.store import Store, Upload

MODES = [Mode.REDIRECT, Mode.PROXY]


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Server]:
    """An upstream that has `common`, and higher versions of all that is ours."""
    elsewhere = tmp_path / "elsewhere"
    make_wheel(elsewhere, "common", "1.0", requires=["astronomer-certified"])
    for name in ("astronomer_certified", "apache_airflow", "acme_secret", "ours"):
        make_wheel(elsewhere, name, "99.0")
    with Server(elsewhere, fallback=False, protected=()) as server:
        yield server


def serving(index_folder: IndexFolder, upstream: str, mode: Mode) -> Server:
    protected = ("astronomer-certified", "apache-airflow", "acme-*")
    return Server(index_folder.store, fallback=upstream, protected=protected, options=Options(mode=mode))


def publish(index_folder: IndexFolder, wheel: Path) -> None:
    with wheel.open("rb") as stream:
        Store.open(index_folder.store).add(Upload(filename=wheel.name), stream)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_ours_is_never_mixed_with_what_upstream_has_under_its_name(
    index_folder: IndexFolder, hostile: Server, tmp_path: Path, mode: Mode
) -> None:
    publish(index_folder, make_wheel(tmp_path, "astronomer_certified", "2.1.0.post1"))
    publish(index_folder, make_wheel(tmp_path, "ours", "1.0"))

    with serving(index_folder, hostile.simple_url, mode) as index:
        pip = pip_download(index.simple_url, "common", tmp_path / "got", "--pre")
        also = pip_download(index.simple_url, "ours", tmp_path / "got")

    assert (pip.returncode, also.returncode) == (0, 0), pip.stderr + also.stderr
    assert {path.name for path in (tmp_path / "got").glob("*.whl")} == {
        "common-1.0-py3-none-any.whl",
        "astronomer_certified-2.1.0.post1-py3-none-any.whl",
        "ours-1.0-py3-none-any.whl",
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["astronomer-certified", "Apache.Airflow", "acme_secret"])
def test_a_protected_name_comes_from_us_or_not_at_all(
    index_folder: IndexFolder, hostile: Server, mode: Mode, name: str
) -> None:
    filename = f"{name.lower().replace('.', '_').replace('-', '_')}-99.0-py3-none-any.whl"
    with serving(index_folder, hostile.simple_url, mode) as index:
        assert requests.get(f"{hostile.simple_url}{name}/", timeout=10).ok
        assert requests.get(f"{index.simple_url}{name}/", timeout=10).status_code == 404
        for path in ("packages", f"upstream/{name}"):
            assert requests.get(f"{index.url}{path}/{filename}", timeout=10).status_code == 404


@pytest.mark.parametrize("mode", MODES)
def test_a_name_is_ours_from_its_first_file_on_even_when_that_is_withheld(
    index_folder: IndexFolder, hostile: Server, tmp_path: Path, mode: Mode
) -> None:
    with serving(index_folder, hostile.simple_url, mode) as index:
        theirs = f"{index.url}upstream/ours/ours-99.0-py3-none-any.whl"
        with PyPISimple(index.simple_url) as client:
            assert [package.version for package in client.get_project_page("ours").packages] == ["99.0"]
            assert requests.get(theirs, timeout=10).status_code == (200 if mode is Mode.PROXY else 404)
            publish(index_folder, wheel := make_wheel(tmp_path, "ours", "1.0"))
            assert [package.version for package in client.get_project_page("ours").packages] == ["1.0"]
            assert requests.get(theirs, timeout=10).status_code == 404
            (index_folder.store / wheel.name).unlink()

    with serving(index_folder, hostile.simple_url, mode) as index, PyPISimple(index.simple_url) as client:
        assert client.get_project_page("ours").packages == []


def test_the_proxy_keeps_what_it_passed_on(index_folder: IndexFolder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    wheel = make_wheel(elsewhere, "common", "1.0", content="a = 1\n" * 100_000)
    with Server(elsewhere, fallback=False) as upstream:
        gone = upstream.simple_url
        with serving(index_folder, gone, Mode.PROXY) as index, PyPISimple(index.simple_url) as client:
            page = client.get_project_page("common")
            [package] = page.packages
            assert page.tracks == [f"{gone}common/"]
            assert package.url.startswith(index.url)
            assert client.get_package_metadata(package).startswith("Metadata-Version")
            assert requests.get(package.url, timeout=10).content == wheel.read_bytes()

    with serving(index_folder, gone, Mode.PROXY) as index:
        found = pip_download(index.simple_url, "common", tmp_path / "got")
        missing = requests.get(f"{index.simple_url}other/", timeout=10)

    assert found.returncode == 0, found.stderr
    assert (missing.status_code, "upstream does not tell" in missing.text) == (502, True)


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_what_upstream_sends_instead_of_what_it_listed_is_never_whole_here(
    index_folder: IndexFolder, tmp_path: Path, size: int
) -> None:
    elsewhere = tmp_path / "elsewhere"
    wheel = make_wheel(elsewhere, "common", "1.0", content=random.Random(1).randbytes(size).hex())
    with Server(elsewhere, fallback=False) as upstream, serving(index_folder, upstream.simple_url, Mode.PROXY) as index:
        with PyPISimple(index.simple_url) as client:
            [package] = client.get_project_page("common").packages
        forged = wheel.read_bytes()
        wheel.write_bytes(forged[:-100] + bytes(100))

        with contextlib.suppress(requests.RequestException):
            assert requests.get(package.url, timeout=10).status_code == 502
        wheel.write_bytes(forged)
        assert requests.get(package.url, timeout=10).content == forged
    assert sha256(wheel) == package.digests["sha256"]
