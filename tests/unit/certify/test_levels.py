"""How far a release is certified, and what of two sides is a difference."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Event
from types import SimpleNamespace
from typing import Any

import pytest
from factories import manifest

from astronomer_certified.artifacts import CommandLine, Python
from astronomer_certified.certify import full_level, levels, services_level
from astronomer_certified.certify.checks import Check, CheckResult
from astronomer_certified.certify.level import Level, Wanted
from astronomer_certified.certify.levels import Contrast, contrasts
from astronomer_certified.certify.servers import LDAP, MARIADB, POSTGRESQL, REDIS, STATSD
from astronomer_certified.errors import CommandFailed, InstallError, ManifestError

PYTHONS = tuple(Python(3, minor) for minor in (6, 7, 8))


def seen(text: str) -> list[CheckResult]:
    return [CheckResult(name="pages", seconds=1, seen=text)]


def test_what_is_promised_is_full_on_each_python_and_services_on_the_newest() -> None:
    stated = manifest(pythons=PYTHONS)

    assert Wanted().levels(stated) == {
        Python(3, 6): Level.FULL,
        Python(3, 7): Level.FULL,
        Python(3, 8): Level.SERVICES,
    }
    assert Wanted().whole
    assert Wanted(python=Python(3, 7)).levels(stated) == {Python(3, 7): Level.FULL}
    assert Wanted(level=Level.SERVICES).levels(stated) == dict.fromkeys(PYTHONS, Level.SERVICES)
    assert not Wanted(level=Level.SERVICES).whole


def test_a_python_that_the_release_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(ManifestError, match=r"does not support Python 3\.9") as caught:
        Wanted(python=Python(3, 9)).levels(manifest(pythons=PYTHONS))
    assert "3.6, 3.7, 3.8" in str(caught.value)


@pytest.mark.parametrize(
    ("level", "above"),
    [(Level.QUICK, ()), (Level.FULL, (Level.FULL,)), (Level.SERVICES, (Level.FULL, Level.SERVICES))],
)
def test_a_level_includes_those_before_it(level: Level, above: tuple[Level, ...]) -> None:
    assert level.above_quick == above


def test_sides_that_see_the_same_have_no_contrast() -> None:
    assert list(contrasts(seen("Admin: 200 /home; Op: 403 /log"), {"pages": "Admin: 200 /home; Op: 403 /log"})) == []


def test_a_contrast_is_a_part_of_a_check() -> None:
    ours, theirs = "Admin: 200 /home; Public: 403 /home, circle /log", "Admin: 200 /home; Public: circle /home /log"

    assert list(contrasts(seen(ours), {"pages": theirs})) == [
        Contrast(check="pages", part="Public /home", upstream="circle", certified="403")
    ]


def test_a_part_that_only_one_side_has_is_a_contrast() -> None:
    assert list(contrasts(seen("Admin: 200"), {"pages": "Admin: 200; Op: 403"})) == [
        Contrast(check="pages", part="Op", upstream="403", certified="")
    ]


def test_what_has_no_names_is_compared_by_its_place() -> None:
    assert list(contrasts(seen("28 tables; none empty"), {"pages": "27 tables; none empty"})) == [
        Contrast(check="pages", part="1", upstream="27 tables", certified="28 tables")
    ]


def test_a_check_that_upstream_does_not_pass_is_one_contrast() -> None:
    assert list(contrasts(seen("Admin: 200; Op: 403"), {"pages": "fails: the scheduler has ended"})) == [
        Contrast(
            check="pages", part="all of it", upstream="fails: the scheduler has ended", certified="Admin: 200; Op: 403"
        )
    ]


@pytest.mark.parametrize(
    ("ours", "theirs", "contrast"),
    [
        ("a: 1; a: 2", "a: 3; a: 2", ("a", "3", "1")),
        ("a: 1; a: 2", "a: 1; a: 3", ("a (2)", "3", "2")),
        ("a: 1; a: 1", "a: 1", ("a (2)", "", "1")),
        ("Op: 200 /home, 403 /home", "Op: 200 /home, 404 /home", ("Op /home (2)", "404", "403")),
        ("2: two; one", "2: two; 2", ("2 (2)", "2", "one")),
        ("a: 1; b: 2", "b: 2; a: 1", (levels.WHOLE, "b: 2; a: 1", "a: 1; b: 2")),
    ],
)
def test_a_difference_is_none_less_where_parts_have_the_same_name(
    ours: str, theirs: str, contrast: tuple[str, str, str]
) -> None:
    part, upstream, certified = contrast
    assert list(contrasts(seen(ours), {"pages": theirs})) == [
        Contrast(check="pages", part=part, upstream=upstream, certified=certified)
    ]


def test_a_check_that_was_not_compared_has_no_contrast() -> None:
    assert list(contrasts(seen("anything"), {})) == []


@pytest.mark.parametrize("line", CommandLine)
def test_each_check_of_a_level_has_a_name_of_its_own_and_says_which_servers_it_needs(line: CommandLine) -> None:
    full = (*full_level.checks(line), *full_level.upgrades("2.0.2"))
    services = services_level.checks(None)

    assert {need for check in full for need in check.needs} == {POSTGRESQL}
    assert {need for check in services for need in check.needs} == {POSTGRESQL, REDIS, LDAP, MARIADB, STATSD}
    # Explanations speak of checks by their names.
    for checks in (full, services):
        assert len({check.name for check in checks}) == len(checks)


def test_without_a_directory_of_people_no_check_is_tried_that_logs_somebody_in_or_goes_on_with_one_that_does() -> None:
    checks = services_level.checks(None)

    assert [check.name for check in checks if check.needs <= {POSTGRESQL, REDIS, MARIADB, STATSD}] == [
        "database made",
        "init and doctor",
        "scheduler, two workers, flower start",
        "200 tasks while a host and the scheduler die",
        "flower",
        "statistics",
        "a run on MariaDB",
    ]


def test_taking_over_databases_is_of_our_side_only() -> None:
    assert [(check.name, check.ours) for check in full_level.upgrades("")] == [("database of upstream, and back", True)]
    assert [check.name for check in full_level.upgrades("2.0.2")][1:] == ["database of 2.0.2 upgraded"]


@pytest.fixture
def operated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., levels.Seen]:
    """What is seen of two sides by these checks, each of which is told which side it looks at."""

    def operate(*checks: Check[Any]) -> levels.Seen:
        @contextlib.contextmanager
        def deployment(operation: Any, side: str, environment: Path) -> Iterator[tuple[Any, None]]:
            yield SimpleNamespace(side=side, logs=tmp_path), None

        monkeypatch.setattr(levels, "_deployment", deployment)
        monkeypatch.setattr(levels, "_checks", lambda operation, mariadb: checks)
        return levels.operate(
            levels.Operation(
                level=Level.FULL, release=manifest().release, command_line=CommandLine.GROUPED,
                sides=levels.Sides(certified=tmp_path, upstream=tmp_path), folder=tmp_path, logs=tmp_path,
                available=frozenset(), progress=lambda check, seconds: None,
            )
        )  # fmt: skip

    return operate


def test_the_sides_run_beside_each_other_and_are_compared(operated: Callable[..., levels.Seen]) -> None:
    met = Barrier(2)

    def meet(there: Any) -> str:
        met.wait(30)
        return f"side: {there.side}"

    seen = operated(Check(name="meet", run=meet, needs=frozenset()))

    assert [check.seen for check in seen.checks] == ["side: certified"]
    assert seen.contrasts == (Contrast(check="meet", part="side", upstream="upstream", certified="certified"),)


def test_upstreams_side_begins_no_further_check_when_ours_has_failed(
    operated: Callable[..., levels.Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, enough = Event(), Event()
    monkeypatch.setattr(levels, "Event", lambda: enough)
    further: list[str] = []

    def first(there: Any) -> str:
        if there.side == "certified":
            assert begun.wait(30)
            raise CommandFailed("it does not hold")
        begun.set()
        assert enough.wait(30)
        return ""

    def second(there: Any) -> str:
        further.append(there.side)
        return ""

    with pytest.raises(InstallError, match="level full: first failed"):
        operated(*(Check(name=run.__name__, run=run, needs=frozenset()) for run in (first, second)))
    assert further == []
