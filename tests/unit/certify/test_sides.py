"""The environments of a level: what is handed to uv for each side."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from factories import manifest, wheel

from astronomer_certified.artifacts import Interpreter, Python, Target
from astronomer_certified.certify import sides
from astronomer_certified.certify.sides import Wanted
from astronomer_certified.effects.disk import sha256_of
from astronomer_certified.errors import InstallError
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
        simple_url="http://127.0.0.1/simple/", upstream_wheel=made, wheels={"apache-airflow==2.1.0+astro.4": "0" * 64},
        before=None,
    )  # fmt: skip

    (tmp_path / "level").mkdir()
    sides.made(wanted, tmp_path / "level")

    option, hashed, requirement = told["certified"]
    assert (option, requirement) == ("--constraint", "astronomer-certified[celery]==2.1.0.*")
    assert Path(hashed).read_text() == f"apache-airflow==2.1.0+astro.4 --hash=sha256:{'0' * 64}\n"
    no_deps, pin, path = told["upstream"]
    assert (no_deps, pin, Path(path).name) == ("--no-deps", "requests==2.20", name)
    members = wheel_files.read(Path(path))
    assert members["apache_airflow-2.1.0.dist-info/METADATA"].content.decode() == metadata.replace(BAD, "")
    assert "airflow.py" in members


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """The simple pages of an index in a folder: a core wheel and a certified wheel."""
    folder = tmp_path / "simple"
    wheels = {
        "apache_airflow-2.1.0+astro.4": "",
        "astronomer_certified-2.1.0.post4": "Requires-Dist: apache-airflow (==2.1.0+astro.4)\nProvides-Extra: celery\n",
    }
    for name, lines in wheels.items():
        project, version = name.split("-")
        page = folder / project.replace("_", "-") / "index.html"
        page.parent.mkdir(parents=True)
        metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n{lines}"
        file = page.with_name(f"{name}-py3-none-any.whl")
        wheel(file, {f"{name}.dist-info/METADATA": metadata, f"{project}.py": ""})
        page.write_text(f'<a href="{file.name}#sha256={sha256_of(file)}">{file.name}</a>')
    return folder


def wanted_of(index: Path, upstream: Path, **others: str) -> Wanted:
    """What is to be installed: the wheels of that index, but for `others`."""
    [core], [certified] = index.glob("apache-airflow/*.whl"), index.glob("astronomer-certified/*.whl")
    sums = {"core": sha256_of(core), "certified": sha256_of(certified), **others}
    here = Python(*sys.version_info[:2])
    return Wanted(
        release=manifest().release, target=Target(python=here, extras=("celery",)),
        interpreter=Interpreter(python=here, executable=Path(sys.executable), full_version="3.8.18", found="here"),
        simple_url=index.as_uri(), upstream_wheel=upstream, before=None,
        wheels={
            "apache-airflow==2.1.0+astro.4": sums["core"],
            "astronomer-certified==2.1.0.post4": sums["certified"],
        },
    )  # fmt: skip


def test_the_wheels_that_are_asked_for_are_installed(index: Path, tmp_path: Path) -> None:
    upstream = wheel(tmp_path / "apache_airflow-2.1.0-py3-none-any.whl", {"apache_airflow.py": ""})
    (tmp_path / "level").mkdir()

    made, _ = sides.made(wanted_of(index, upstream), tmp_path / "level")

    assert next(made.certified.glob("lib/*/site-packages/astronomer_certified-2.1.0.post4.dist-info")).is_dir()
    assert next(made.upstream.glob("lib/*/site-packages/apache_airflow-2.1.0.dist-info")).is_dir()


@pytest.mark.parametrize("which", ["core", "certified"])
def test_an_index_that_has_another_wheel_of_that_name_is_told_and_not_certified(
    index: Path, tmp_path: Path, which: str
) -> None:
    (tmp_path / "level").mkdir()
    with pytest.raises(InstallError, match="uv cannot install it") as caught:
        sides.made(wanted_of(index, tmp_path / "none.whl", **{which: "0" * 64}), tmp_path / "level")
    assert f"sha256:{'0' * 64}" in str(caught.value)
    assert f"{index.as_uri()} has other wheels than those to certify" in str(caught.value.hint)
