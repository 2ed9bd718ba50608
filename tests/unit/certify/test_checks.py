"""The check of hooks: what imports is counted, what is broken is told, and another provider is an extra of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from factories import manifest

from astronomer_certified.artifacts import CommandLine, Python
from astronomer_certified.certify.checks import Installed, checks_of
from astronomer_certified.effects.processes import clean_environment
from astronomer_certified.errors import CommandFailed
from astronomer_certified.pythons import interpreters

OLDEST = interpreters.find(Python(3, 6))
PYTHONS = [
    pytest.param(Path(sys.executable), id="this Python"),
    pytest.param(
        OLDEST.executable if OLDEST else None, id="3.6", marks=pytest.mark.skipif(OLDEST is None, reason="no 3.6 here")
    ),
]
GOOD = {"ftp/__init__.py": "", "ftp/hooks/__init__.py": "", "ftp/hooks/ftp.py": "import ftplib"}


def seen(folder: Path, files: dict[str, str], python: Path, line: CommandLine = CommandLine.GROUPED) -> str:
    """What the check says of an Airflow with these files in its folder of providers."""
    bin_, airflow = folder / "bin", folder / "site" / "airflow"
    bin_.mkdir()
    (bin_ / "python").symlink_to(python)
    for name, text in ({f"providers/{name}": text for name, text in files.items()} | {"__init__.py": ""}).items():
        (airflow / name).parent.mkdir(parents=True, exist_ok=True)
        (airflow / name).write_text(text)
    place = Installed(
        release=manifest().release, command_line=line, home=folder, logs=folder / "logs",
        env=clean_environment(PATH=str(bin_), PYTHONPATH=str(folder / "site")),
    )  # fmt: skip
    [check] = [item for item in checks_of(line) if item.name == "providers"]
    return check.run(place)


@pytest.mark.parametrize("python", PYTHONS)
def test_hooks_are_counted_and_one_that_wants_a_provider_that_is_not_there_is_none_that_fails(
    tmp_path: Path, python: Path
) -> None:
    files = {
        **GOOD,
        "ftp/hooks/to_cloud.py": "import airflow.providers.google.cloud",
        # Several providers share a folder that is no package: of those, another is installed.
        "apache/hive/__init__.py": "",
        "ftp/hooks/to_spark.py": "import airflow.providers.apache.spark.hooks",
    }
    assert seen(tmp_path, files, python) == "1 hooks import, 2 want another provider, 0 fail"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("files", "told"),
    [
        pytest.param({"bad/__init__.py": "raise ValueError('no')"}, "airflow.providers.bad: ValueError", id="package"),
        pytest.param({"bad/__init__.py": "import no_such"}, "airflow.providers.bad: ModuleNotFound", id="requirement"),
        pytest.param(
            {"ftp/hooks/b.py": "import airflow.providers.ftp.gone"}, "airflow.providers.ftp.hooks.b: Module", id="own"
        ),
        pytest.param(
            {"sql/__init__.py": "", "ftp/hooks/b.py": "import airflow.providers.sql.gone"},
            "airflow.providers.ftp.hooks.b: Module", id="of another that is there",
        ),
        pytest.param(
            {"ftp/hooks/b.py": "from airflow.providers.ftp import gone"}, "hooks.b: ImportError", id="name",
        ),
        pytest.param({"ftp/hooks/b.py": "import sys; sys.exit(0)"}, "hooks.b: SystemExit", id="it ends the program"),
    ],
)  # fmt: skip
def test_what_is_broken_by_itself_fails_and_is_named(
    tmp_path: Path, python: Path, files: dict[str, str], told: str
) -> None:
    with pytest.raises(CommandFailed, match="python ended with status 1") as caught:
        seen(tmp_path, {**GOOD, **files}, python)
    assert told in str(caught.value)
    assert "1 hooks import, 0 want another provider, 1 fail" in str(caught.value)


@pytest.mark.parametrize("files", [{}, {"ftp/__init__.py": ""}, {"ftp/__init__.py": "", "ftp/hooks/__init__.py": ""}])
def test_providers_without_a_hook_are_no_success(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(CommandFailed, match="no hook of a provider was imported"):
        seen(tmp_path, files, Path(sys.executable))


def test_where_all_hooks_want_another_provider_none_was_imported(tmp_path: Path) -> None:
    files = {**GOOD, "ftp/hooks/ftp.py": "import airflow.providers.google"}
    with pytest.raises(CommandFailed, match="no hook of a provider was imported") as caught:
        seen(tmp_path, files, Path(sys.executable))
    assert "0 hooks import, 1 want another provider" in str(caught.value)


def test_in_1_10_hooks_may_be_part_of_the_core(tmp_path: Path) -> None:
    assert seen(tmp_path, {}, Path(sys.executable), CommandLine.FLAT).startswith("no providers")
