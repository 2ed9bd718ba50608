"""constraints/services.toml and patches/differences.toml: what they state, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import ROOT

from astronomer_certified.certify import servers
from astronomer_certified.errors import ManifestError
from astronomer_certified.patches import series
from astronomer_certified.project import differences, manifest, services
from astronomer_certified.workspace import Workspace

HERE = Workspace.at(ROOT)
DIFFERENCE = """\
[[differences]]
check = "pages by role"
part = "Public *"
upstream = "circle"
ours = "403"
patch = "send-nobody-in-circles"
why = "upstream sends a browser in circles"
"""


def test_each_server_that_levels_use_is_stated_here() -> None:
    known = services.load(HERE.services)

    # Statistics are taken by the tool itself.
    assert known.keys() == {servers.POSTGRESQL, servers.REDIS, servers.MARIADB, servers.LDAP}
    # What the system packages bring is what the file says they do.
    packages = {name for item in known.values() for name in item.package.split()}
    assert packages <= set((ROOT / "Makefile").read_text().split())


def test_every_explanation_here_names_a_patch_that_some_series_carries() -> None:
    carried = {
        patch.name.partition("-")[2]
        for version in HERE.versions()
        for patch in series.read(manifest.load(HERE, version).core.folder)
    }
    for item in differences.load(HERE.differences):
        assert f"{item.patch}.patch" in carried, item


def test_a_difference_is_explained_by_a_patch_that_the_series_carries(tmp_path: Path) -> None:
    (tmp_path / "differences.toml").write_text(DIFFERENCE)
    [item] = differences.load(tmp_path / "differences.toml")

    assert item.explains("pages by role", "Public /home", "circle", "403")
    assert not item.explains("pages by role", "Op /home", "circle", "403")
    assert not item.explains("pages by role", "Public /home", "circle", "200")
    assert not item.explains("pages by role", "Public /home", "200", "403")
    assert not item.explains("logs in the UI", "Public /home", "circle", "403")
    assert (
        item.carried(("0001-other.patch", "0044-send-nobody-in-circles.patch")) == "0044-send-nobody-in-circles.patch"
    )
    assert item.carried(("0001-send-nobody-in-circles-again.patch",)) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (DIFFERENCE.replace("part", "parts"), "parts"),
        (DIFFERENCE.replace('"Public *"', "3"), "part"),
        ("differences = 3\n", "differences"),
    ],
)
def test_what_is_no_explanation_is_refused_with_its_key(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "differences.toml").write_text(text)
    with pytest.raises(ManifestError) as refused:
        differences.load(tmp_path / "differences.toml")
    assert problem in str(refused.value)


def test_a_server_without_programs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "services.toml").write_text('[Redis]\npackage = "redis-server"\n')
    with pytest.raises(ManifestError) as refused:
        services.load(tmp_path / "services.toml")
    assert "programs" in str(refused.value)
