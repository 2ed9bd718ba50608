"""What is read by installers, asked of `Site` itself: no server in between."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from test_store import NAME, wheel

from astronomer_certified.index.fallback import Fallback
from astronomer_certified.index.site import Address, Answer, Site
from astronomer_certified.index.store import Store, Upload


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(tmp_path / "store")
    store.add(Upload(filename=NAME), io.BytesIO(wheel()))
    return store


@pytest.fixture
def site(store: Store) -> Site:
    return Site(store, Fallback(), Address(public_url="http://index.example/team/"))


def get(site: Site, target: str, **headers: str) -> Answer:
    answer = site.answer(target, {name.replace("_", "-"): value for name, value in headers.items()})
    assert answer is not None
    return answer


@pytest.mark.parametrize("place", [NAME, f"{NAME}.metadata"])
@pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-"}, {"range": "bytes=3-4"}], ids=str)
def test_a_small_file_that_was_changed_is_gone_however_it_is_asked_for(
    store: Store, site: Site, place: str, headers: dict[str, str]
) -> None:
    path = store.metadata(NAME) if place != NAME else store.file(NAME)
    whole = path.read_bytes()
    assert get(site, f"/packages/{place}", **headers).status in (200, 206)

    path.write_bytes(bytes(len(whole)))
    assert get(site, f"/packages/{place}", **headers).status == 410
    path.write_bytes(whole)
    assert get(site, f"/packages/{place}", **headers).status in (200, 206)
