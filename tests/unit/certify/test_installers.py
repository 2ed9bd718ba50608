"""Which installers are tried on a Python is data: constraints/installers/, by the markers of the pins."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import ROOT

from astronomer_certified.artifacts import Python
from astronomer_certified.certify import installers
from astronomer_certified.errors import ManifestError


def names(folder: Path, python: Python) -> list[str]:
    return [str(installer) for installer in installers.of(folder, python) if installer.name == "pip"]


def test_every_pip_that_runs_on_a_python_is_tried_oldest_first(tmp_path: Path) -> None:
    (tmp_path / "pip-20.3.4.txt").write_text("# why\npip==20.3.4 \\\n    --hash=sha256:00\n")
    (tmp_path / "pip-9.0.3.txt").write_text("pip==9.0.3 --hash=sha256:00\n".replace(" --", " \\\n    --"))
    (tmp_path / "pip-24.0.txt").write_text('pip==24.0 ; python_version >= "3.7" \\\n    --hash=sha256:00\n')

    assert names(tmp_path, Python(3, 6)) == ["pip 9.0.3", "pip 20.3.4"]
    assert names(tmp_path, Python(3, 8)) == ["pip 9.0.3", "pip 20.3.4", "pip 24.0"]


def test_uv_is_tried_on_every_python(tmp_path: Path) -> None:
    [uv] = installers.of(tmp_path, Python(3, 6))
    assert (uv.name, uv.requirements) == ("uv", None)


@pytest.mark.parametrize("text", ["", "# nothing\n", "pip>=20,<21 \\\n", "pip === \\\n"])
def test_a_file_without_one_pin_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pip-1.txt").write_text(text)

    with pytest.raises(ManifestError, match="does not begin with one hashed pin"):
        installers.of(tmp_path, Python(3, 8))


def test_the_installers_of_the_project_are_those_that_the_document_and_users_name() -> None:
    folder = ROOT / "constraints" / "installers"
    assert names(folder, Python(3, 6)) == ["pip 19.3.1", "pip 20.3.4", "pip 21.3.1"]
    assert {"pip 19.3.1", "pip 22.3.1", "pip 23.3.2", "pip 25.0.1"} < set(names(folder, Python(3, 8)))


def test_the_oldest_the_newest_and_uv_are_tried_on_further_pythons(tmp_path: Path) -> None:
    for version in ("19.3.1", "23.0", "25.0"):
        (tmp_path / f"pip-{version}.txt").write_text(f"pip=={version} \\\n    --hash=sha256:{'0' * 64}\n")
    found = installers.of(tmp_path, Python(3, 8))

    assert [str(installer).split()[1] for installer in installers.ends(found)][:2] == ["19.3.1", "25.0"]
    assert installers.ends(found)[-1].name == "uv"
    assert [installer.name for installer in installers.ends(found[-1:])] == ["uv"]
    assert [installer.name for installer in installers.ends(found[-2:])] == ["pip", "uv"]
