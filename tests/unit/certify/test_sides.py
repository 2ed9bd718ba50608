"""The environments of a level: what is handed to uv for each side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from factories import manifest, wheel

from astronomer_certified.artifacts import Interpreter, Python, Target
from astronomer_certified.certify import sides
from astronomer_certified.certify.sides import Wanted
from astronomer_certified.formats import wheel_files

GOOD = "Requires-Dist: requests (>=2.20)\n"
# As in the wheels of 1.10.7 to 1.10.12, where a comma is missing.
BAD = "Requires-Dist: azure-datalake-store (>=0.0.45azure-mgmt-datalake-store>=0.5.0) ; extra == 'azure'\n"


@pytest.mark.parametrize("lines", [GOOD, GOOD + BAD])
def test_upstream_is_installed_although_uv_cannot_read_all_that_its_wheel_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str
) -> None:
    told: dict[str, Sequence[str]] = {}
    monkeypatch.setattr(sides, "_install", lambda wanted, place, folder, words: told.update({place.name: words}))
    monkeypatch.setattr(
        sides,
        "_frozen",
        lambda *_: ["requests==2.20", "apache-airflow==2.1.0+astro.4", "astronomer-certified==2.1.0.post4"],
    )
    name = "apache_airflow-2.1.0-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: apache-airflow\nVersion: 2.1.0\n{lines}"
    made = wheel(tmp_path / name, {"apache_airflow-2.1.0.dist-info/METADATA": metadata, "airflow.py": ""})
    interpreter = Interpreter(
        python=Python(3, 8), executable=Path("/usr/bin/python3.8"), full_version="3.8.18", found="here"
    )
    wanted = Wanted(
        release=manifest().release, target=Target(python=Python(3, 8), extras=("celery",)), interpreter=interpreter,
        simple_url="http://127.0.0.1/simple/", upstream_wheel=made, before=None,
    )  # fmt: skip

    sides.made(wanted, tmp_path / "level")

    assert told["certified"] == ["astronomer-certified[celery]==2.1.0.*"]
    no_deps, pin, path = told["upstream"]
    assert (no_deps, pin, Path(path).name) == ("--no-deps", "requests==2.20", name)
    members = wheel_files.read(Path(path))
    assert members["apache_airflow-2.1.0.dist-info/METADATA"].content.decode() == metadata.replace(BAD, "")
    assert "airflow.py" in members
