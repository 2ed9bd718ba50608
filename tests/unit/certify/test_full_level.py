"""What the checks of the level full assert by themselves: what every Airflow showed holds, what is broken does not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from factories import ROOT
from packaging.version import Version

from astronomer_certified.artifacts import CommandLine
from astronomer_certified.certify import full_level
from astronomer_certified.certify.command_lines import words_of
from astronomer_certified.errors import CommandFailed

HEALTHY = (200, {"metadatabase": {"status": "healthy"}, "scheduler": {"status": "healthy"}})
API, PAGES, STARTED = "objects by the API", "pages by role", "scheduler and webserver start"
USERS = "a user of each role"


@dataclass
class Person:
    """One before a webserver that has these pages, and an API that answers with these statuses."""

    there: Website
    name: str = ""

    def log_in(self, name: str, password: str) -> bool:
        """Who is sent back to the login page is not logged in."""
        assert name == password
        self.name = name.title()
        return self.name not in self.there.sent_back

    def status(self, path: str) -> str:
        """Of the page without what is asked of it."""
        return self.there.pages[self.name, path.partition("?")[0]]

    def json(self, method: str, path: str, user: str = "", **sent: Any) -> tuple[int, Any]:
        """The next status of what is asked for by that person, and what was changed."""
        if path == "/health":
            return self.there.health
        status = self.there.api[path if path.startswith("/api/exp") else path.split("/")[3]].pop(0)
        return status, {"value": "changed", "conn_type": "http", "host": "b", "slots": 4} if status < 400 else "oh no"


@dataclass
class Website:
    """What stands for a deployment: its webserver, and a database that gives these lines to every question."""

    command_line: CommandLine = CommandLine.GROUPED
    pages: Mapping[tuple[str, str], str] = field(default_factory=dict)
    sent_back: Sequence[str] = ()
    api: Mapping[str, list[int]] = field(default_factory=dict)
    health: tuple[int, Any] = HEALTHY
    lines: Sequence[str] = ()

    @property
    def words(self) -> Any:
        """As a deployment has them."""
        return words_of(self.command_line)

    @property
    def daemons(self) -> Any:
        """What looks once at what it waits for."""
        return self

    def wait(self, what: str, until: Any, patience: float) -> None:
        """As `Daemons.wait`, for what holds at once or never."""
        if not until():
            raise CommandFailed(f"waited {patience:g} s for {what}")

    @contextlib.contextmanager
    def person(self, name: str = "") -> Iterator[Person]:
        """Somebody."""
        yield Person(self)

    def sql(self, query: str) -> list[str]:
        """Always the same."""
        return list(self.lines)

    def count(self, query: str) -> int:
        """Of an empty database."""
        return 0

    def _nothing(self, *words: str) -> str:
        return ""

    airflow = command = start_scheduler = start_webserver = _nothing


def run(check: str, there: Website) -> str:
    """What a check of the level sees there."""
    [found] = [item for item in full_level.checks(there.command_line) if item.name == check]
    return found.run(there)  # type: ignore[arg-type]


def website(seen: Mapping[str, str], line: CommandLine) -> Website:
    """One that shows what a certificate says was seen by the checks of these names."""
    pages, sent_back, api = {}, [], {}
    for part in seen[PAGES].split("; "):
        who, _, told = part.partition(": ")
        role, _, back = who.partition(" ")
        role = "" if role == "stranger" else role
        sent_back += [role] if back else []
        for group in told.split(", "):
            status, *names = group.split(" ")
            pages |= dict.fromkeys(((role, name) for name in names), status)
    if line is CommandLine.FLAT:
        numbers = list(map(int, seen[API].partition(": ")[2].split()))
        made = "pools/certified_api"
        for path, status in zip(("test", "pools", made, made, "latest_runs"), numbers, strict=True):
            api.setdefault(f"/api/experimental/{path}", []).append(status)
    else:
        for part in seen[API].split("; "):
            kind, *numbers = part.replace(",", "").replace("by role ", "").replace("stranger ", "").split()
            *first, gone = map(int, numbers[:4])
            api[kind] = [*first, *map(int, numbers[4:]), gone]
    return Website(command_line=line, pages=pages, sent_back=sent_back, api=api)


def of_upstream(seen: Mapping[str, str], differences: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What upstream showed where ours showed that: the same but for the differences, page by page."""
    told = []
    for part in seen[PAGES].split("; "):
        who, _, groups = part.partition(": ")
        by_page = {page: group.split(" ")[0] for group in groups.split(", ") for page in group.split(" ")[1:]}
        for item in differences:
            name, _, page = item["part"].rpartition(" ")
            if name == who and item["check"] == PAGES:
                assert by_page[page] == item["certified"]
                by_page[page] = item["upstream"]
        groups_of: dict[str, list[str]] = {}
        for page in (page.partition("?")[0] for page in full_level._PAGES):
            groups_of.setdefault(by_page[page], []).append(page)
        told.append(f"{who}: {', '.join(' '.join((status, *pages)) for status, pages in groups_of.items())}")
    return {**seen, PAGES: "; ".join(told)}


def reached() -> list[Any]:
    """What each kept certificate says of the level full on each Python."""
    kept = [json.loads(path.read_text()) for path in sorted((ROOT / "certificates").glob("certificate-*.json"))]
    return [
        pytest.param(one["release"], level, id=f"{one['release']} on {level['python']}")
        for one in kept
        for level in one["levels"]
        if level["level"] == "full"
    ]


def good(line: CommandLine) -> Website:
    """A website that shows what the newest certificate of its kind saw."""
    flat = line is CommandLine.FLAT
    *_, level = (one.values[1] for one in reached() if one.values[0].startswith("1.") == flat)
    return website({check["name"]: check["seen"] for check in level["checks"]}, line)


@pytest.mark.parametrize(("release", "level"), reached())
@pytest.mark.parametrize("side", ["certified", "upstream"])
def test_what_both_sides_of_every_certified_release_showed_holds(
    release: str, level: dict[str, Any], side: str
) -> None:
    line = CommandLine.FLAT if Version(release.partition("-")[0]).major == 1 else CommandLine.GROUPED
    ours = {check["name"]: check["seen"] for check in level["checks"]}
    seen = ours if side == "certified" else of_upstream(ours, level["differences"])
    there = website(seen, line)

    assert run(API, there) == seen[API]
    assert run(PAGES, there) == seen[PAGES]
    assert run(STARTED, there) == seen[STARTED]
    there.lines = seen[USERS].split(", ")
    assert run(USERS, there) == seen[USERS]


@pytest.mark.parametrize("line", CommandLine)
def test_an_api_that_answers_with_an_error_to_everything_does_not_hold(line: CommandLine) -> None:
    there = good(line)
    there.api = {path: [500] * len(statuses) for path, statuses in there.api.items()}
    with pytest.raises(CommandFailed, match="the API answers with 500"):
        run(API, there)


@pytest.mark.parametrize(
    ("place", "status"),
    [
        pytest.param(9, 500, id="nobody can delete"),
        pytest.param(0, 409, id="nobody can make one"),
        pytest.param(3, 403, id="Admin may not read the list"),
        pytest.param(8, 200, id="a stranger reads it"),
        pytest.param(7, 200, id="who has no rights reads it"),
        pytest.param(5, 500, id="it is broken for a role between"),
    ],
)
def test_an_api_that_serves_the_wrong_person_or_nobody_does_not_hold(place: int, status: int) -> None:
    there = good(CommandLine.GROUPED)
    there.api["pools"][place] = status
    with pytest.raises(CommandFailed, match=r"^pools: "):
        run(API, there)


def test_what_a_role_between_may_do_is_seen_and_left_to_the_comparison_with_upstream() -> None:
    there = good(CommandLine.GROUPED)
    there.api["pools"][4] = 404
    assert "pools 200 200 200 204, by role 200 404" in run(API, there)


def test_pages_that_are_all_broken_do_not_hold_though_nobody_logs_in() -> None:
    there = good(CommandLine.GROUPED)
    there.pages = dict.fromkeys(there.pages, "500")
    there.sent_back = ("Admin", "Op", "User", "Viewer", "Public")
    with pytest.raises(CommandFailed, match="Admin cannot log in"):
        run(PAGES, there)
    there.sent_back = ("Public",)
    with pytest.raises(CommandFailed, match="pages are not for Admin") as caught:
        run(PAGES, there)
    assert "500: /home" in str(caught.value)


@pytest.mark.parametrize(
    ("role", "status"),
    [("Admin", "403"), ("Admin", "home"), ("Admin", "login"), ("", "200"), ("Public", "200"), ("Op", "502")],
)
def test_a_page_that_the_wrong_person_sees_or_nobody_does_not_hold(role: str, status: str) -> None:
    there = good(CommandLine.FLAT)
    there.pages = {**there.pages, (role, "/variable/list/"): status}
    with pytest.raises(CommandFailed, match=f"not for {role or 'a stranger'}") as caught:
        run(PAGES, there)
    assert f"{status}: /variable/list/" in str(caught.value)


@pytest.mark.parametrize(
    "health",
    [
        (503, {}),
        (200, {}),
        (503, HEALTHY[1]),
        (200, {"metadatabase": {"status": "healthy"}}),
        (200, {**HEALTHY[1], "triggerer": {"status": "unhealthy"}}),
        (200, "healthy"),
    ],
)
def test_a_webserver_that_does_not_say_that_both_are_healthy_does_not_hold(health: tuple[int, Any]) -> None:
    with pytest.raises(CommandFailed, match="/health to say healthy"):
        run(STARTED, Website(health=health))


def test_a_user_who_was_not_made_is_missed() -> None:
    with pytest.raises(CommandFailed, match="the users are admin, op, and not one of each role"):
        run(USERS, Website(lines=("admin", "op")))


def test_a_database_at_no_migration_was_not_made() -> None:
    with pytest.raises(CommandFailed, match="at no migration"):
        run("database made", Website())
