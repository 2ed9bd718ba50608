"""The table that ends `--all`: version, Python and stage, with seconds, and the reason of what failed."""

from __future__ import annotations

from astronomer_certified.artifacts import NotDone, Python
from astronomer_certified.errors import InstallError, ManifestError
from astronomer_certified.outcomes import Outcome, table

WHOLE = Outcome(
    version="2.1.0",
    quick=Python(3, 8),
    seconds={
        "fetch apache-airflow": 0.3,
        "wheel apache-airflow": 2.25,
        "wheel apache-airflow-providers-mysql": 0.1,
        "wheel celery": 0.1,
        "prove": 100.0,
        "install": 30.0,
        "install 3.10": 90.0,
        "install 3.8": 80.0,
        "installers": 200.0,
    },
)


def columns(text: str) -> list[list[str]]:
    """The cells of a table whose columns are at least two blanks apart."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def test_each_python_of_a_release_has_a_row_and_each_stage_a_column() -> None:
    assert columns(table([WHOLE])) == [
        ["version", "python", "core wheel", "prove", "quick install", "install", "installers", "result"],
        ["2.1.0", "all", "2.2", "100.0", "-", "-", "-", "complete"],
        ["2.1.0", "3.8", "-", "-", "30.0", "80.0", "200.0"],
        ["2.1.0", "3.10", "-", "-", "-", "90.0", "-"],
    ]


def test_a_failure_is_shown_where_it_happened_and_with_its_reason() -> None:
    failed = Outcome(
        version="2.0.2",
        seconds={"wheel apache-airflow": None, "prove": 12.0},
        failed="install 3.7",
        error=InstallError("pip check failed", details=["x requires y"]),
    )
    shown = columns(table([failed, WHOLE]))

    assert shown[1] == ["2.0.2", "all", "done", "12.0", "-", "-", "-", "FAILED: pip check failed"]
    assert shown[2] == ["2.0.2", "3.7", "-", "-", "FAILED", "-", "-"]
    assert shown[3][-1] == "complete"


def test_a_release_that_cannot_be_read_has_a_row_with_the_reason() -> None:
    broken = Outcome(version="9.9.9", seconds={}, error=ManifestError("release.toml: unknown key"))
    assert columns(table([broken]))[1:] == [["9.9.9", "all", "FAILED: release.toml: unknown key"]]


def test_what_this_machine_could_not_do_is_counted() -> None:
    lacking = Outcome(version="9.9.9", seconds={}, not_done=(NotDone(what="x", why="no Python", how="get it"),))
    assert columns(table([lacking]))[1][-1] == "1 not done"
