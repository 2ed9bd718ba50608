"""Progress in plain lines: what is done is said with its reason, what is not only in sum."""

from __future__ import annotations

import io

from astronomer_certified.steps.progress import Lines


def test_a_run_with_nothing_to_do_says_so_once() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.up_to_date("wheel")
    lines.up_to_date("publish")
    lines.close()

    assert stream.getvalue() == "up to date: none of 2 steps had anything to do\n"


def test_a_run_with_something_to_do_says_what_and_why() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.up_to_date("wheel")
    lines.started("publish", "wheel changed")
    lines.finished("publish", 1.25, "1 new file")
    lines.failed("install", RuntimeError("no pip\nat all"))
    lines.close()

    said = [line.split("] ")[1] for line in stream.getvalue().splitlines()]
    assert said == ["publish: wheel changed", "publish: done in 1.2 s - 1 new file", "install: failed: no pip"]


def test_a_run_that_ends_before_its_first_step_says_nothing() -> None:
    stream = io.StringIO()
    Lines(stream).close()

    assert stream.getvalue() == ""
