"""The table that ends `--all`: version, Python and stage, with seconds, and the reason of what failed."""

from __future__ import annotations

from astronomer_certified.artifacts import NotDone
from astronomer_certified.errors import InstallError, ManifestError
from astronomer_certified.release.outcomes import Outcome, Timing, table

WHOLE = Outcome(
    version="2.1.0",
    timings=(
        Timing(stage="fetch apache-airflow", seconds=0.3, minor=True),
        Timing(stage="core wheel", seconds=2.25),
        Timing(stage="wheel apache-airflow-providers-mysql", seconds=0.1, minor=True),
        Timing(stage="prove", seconds=100.0),
        Timing(stage="quick install", python="3.8", seconds=30.0),
        Timing(stage="install", python="3.10", seconds=90.0),
        Timing(stage="install", python="3.8", seconds=80.0),
        Timing(stage="installers", python="3.8", seconds=200.0),
    ),
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
        timings=(
            Timing(stage="core wheel", seconds=None),
            Timing(stage="prove", seconds=12.0),
            Timing(stage="install", python="3.7", seconds=None, failed=True),
        ),
        error=InstallError("pip check failed", details=["x requires y"]),
    )
    shown = columns(table([failed, WHOLE]))

    assert shown[1] == ["2.0.2", "all", "done", "12.0", "-", "-", "-", "FAILED: pip check failed"]
    assert shown[2] == ["2.0.2", "3.7", "-", "-", "FAILED", "-", "-"]
    assert shown[3][-1] == "complete"


def test_a_minor_step_is_shown_when_it_failed() -> None:
    torn = Outcome(
        version="2.0.2",
        timings=(Timing(stage="fetch apache-airflow", seconds=None, minor=True, failed=True),),
        error=InstallError("no network"),
    )
    assert columns(table([torn]))[0] == ["version", "python", "fetch apache-airflow", "result"]


def test_a_release_that_cannot_be_read_has_a_row_with_the_reason() -> None:
    broken = Outcome(version="9.9.9", error=ManifestError("release.toml: unknown key"))
    assert columns(table([broken]))[1:] == [["9.9.9", "all", "FAILED: release.toml: unknown key"]]


def test_what_this_machine_could_not_do_is_counted() -> None:
    lacking = Outcome(version="9.9.9", not_done=(NotDone(what="x", why="no Python", how="get it"),))
    assert columns(table([lacking]))[1][-1] == "1 not done"
