"""Steps: what is stale is done, with its reason; what is not is left alone; independent work runs at the same time."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from astronomer_certified.artifacts import NotDone
from astronomer_certified.effects.disk import digest
from astronomer_certified.steps import receipts
from astronomer_certified.steps.progress import Quiet
from astronomer_certified.steps.runner import Done, Made, Step, perform


class Diary(Quiet):
    """Writes down what happened."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def started(self, name: str, why: str) -> None:
        self.events.append((name, why))

    def up_to_date(self, name: str) -> None:
        self.events.append((name, "up to date"))


class Kitchen:
    """A tiny chain of real steps: `dough` makes a file from a recipe, `bread` makes one from the dough."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipe = folder / "recipe"
        self.recipe.write_text("flour")
        self.broken = False

    def steps(self) -> tuple[Step, ...]:
        return (
            Step(
                name="dough",
                inputs=lambda done: {"recipe": digest(self.recipe.read_bytes())},
                do=self.make_dough,
                receipt=self.folder / "dough.json",
            ),
            Step(
                name="bread",
                needs=("dough",),
                inputs=lambda done: {"dough": done["dough"].outputs[0].sha256},
                do=self.make_bread,
                receipt=self.folder / "bread.json",
            ),
        )

    def make_dough(self, done: Done) -> Made:
        if self.broken:
            raise RuntimeError("no oven")
        path = self.folder / "dough"
        path.write_text(self.recipe.read_text().strip())
        return Made(outputs=[path])

    def make_bread(self, done: Done) -> Made:
        path = self.folder / "bread"
        path.write_text(done["dough"].outputs[0].path.read_text().upper())
        return Made(outputs=[path], record={"loaves": 1})

    def run(self) -> dict[str, str]:
        diary = Diary()
        perform(self.steps(), 2, diary)
        return dict(diary.events)


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path)


def test_the_second_run_does_nothing(kitchen: Kitchen) -> None:
    assert kitchen.run() == {"dough": "not done yet", "bread": "not done yet"}
    before = (kitchen.folder / "bread.json").stat().st_mtime_ns

    assert kitchen.run() == {"dough": "up to date", "bread": "up to date"}
    assert (kitchen.folder / "bread.json").stat().st_mtime_ns == before


def test_a_changed_input_is_named_and_what_depends_on_it_follows(kitchen: Kitchen) -> None:
    kitchen.run()
    kitchen.recipe.write_text("rye")

    assert kitchen.run() == {"dough": "recipe changed", "bread": "dough changed"}
    assert (kitchen.folder / "bread").read_text() == "RYE"


def test_what_comes_out_the_same_stops_the_wave(kitchen: Kitchen) -> None:
    kitchen.run()
    kitchen.recipe.write_text("flour\n")

    assert kitchen.run() == {"dough": "recipe changed", "bread": "up to date"}


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("mold")], ids=["missing", "changed"])
def test_a_spoiled_output_is_made_again(kitchen: Kitchen, spoil: object) -> None:
    kitchen.run()
    spoil(kitchen.folder / "bread")  # type: ignore[operator]

    assert kitchen.run() == {"dough": "up to date", "bread": "bread is missing or was changed"}
    assert (kitchen.folder / "bread").read_text() == "FLOUR"


def test_an_output_that_was_only_touched_is_hashed_and_kept(kitchen: Kitchen) -> None:
    kitchen.run()
    (kitchen.folder / "bread").touch()

    assert kitchen.run()["bread"] == "up to date"


def test_a_failed_step_leaves_no_receipt_and_stops_what_needs_it(kitchen: Kitchen) -> None:
    kitchen.run()
    kitchen.recipe.write_text("rye")
    kitchen.broken = True
    with pytest.raises(RuntimeError, match="no oven"):
        kitchen.run()
    assert not (kitchen.folder / "dough.json").exists()
    assert (kitchen.folder / "bread").read_text() == "FLOUR"

    kitchen.broken = False
    assert kitchen.run() == {"dough": "not done yet", "bread": "dough changed"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 0}', '{"format": 1, "inputs": {}}', '{"format": 1, "inputs"']
)
def test_a_receipt_that_is_not_one_means_not_done_yet(kitchen: Kitchen, text: str) -> None:
    kitchen.run()
    (kitchen.folder / "bread.json").write_text(text)

    assert kitchen.run()["bread"] == "not done yet"


def test_a_step_that_could_not_do_all_of_it_is_tried_again(tmp_path: Path) -> None:
    receipt = receipts.write(tmp_path / "r.json", {"a": "1"}, Made(not_done=[NotDone(what="x", why="", how="")]), 0.1)
    assert receipts.read(tmp_path / "r.json") == receipt

    assert receipts.why_stale(receipt, {"a": "1"}) == "it was not complete"


def test_reasons_count_what_they_do_not_name(tmp_path: Path) -> None:
    receipt = receipts.write(tmp_path / "r.json", {"a": "1", "b": "1", "c": "1"}, Made(), 0.1)

    assert receipts.why_stale(receipt, {"a": "2", "b": "2", "d": "1"}) == "a changed (and 3 more)"
    assert receipts.why_stale(receipt, {"a": "1", "b": "1", "c": "1", "d": "1"}) == "d is new"
    assert receipts.why_stale(receipt, {"a": "1", "b": "1"}) == "c is gone"


def test_independent_steps_run_at_the_same_time(tmp_path: Path) -> None:
    meeting = threading.Barrier(2, timeout=10)

    def meet(done: Done) -> Made:
        meeting.wait()
        return Made()

    steps = [
        Step(name=name, inputs=lambda done: {}, do=meet, receipt=tmp_path / f"{name}.json") for name in ("one", "other")
    ]

    assert set(perform(steps, 2, Quiet())) == {"one", "other"}


def test_after_a_failure_nothing_more_is_started(tmp_path: Path) -> None:
    started: list[str] = []

    def do(name: str) -> Made:
        started.append(name)
        raise RuntimeError(name)

    steps = [
        Step(name=name, inputs=lambda done: {}, do=lambda done, name=name: do(name), receipt=tmp_path / name)
        for name in ("first", "second", "third")
    ]
    with pytest.raises(RuntimeError, match="first"):
        perform(steps, 1, Quiet())

    assert started == ["first"]


def test_while_a_long_step_is_awaited_after_a_failure_it_is_told_why(tmp_path: Path) -> None:
    told: list[str] = []
    seen = threading.Event()

    class Awaited(Quiet):
        def progress(self, name: str, detail: str) -> None:
            told.append(f"{name}: {detail}")
            seen.set()

    def long(done: Done) -> Made:
        assert seen.wait(10)
        return Made()

    def broken(done: Done) -> Made:
        raise RuntimeError("no oven")

    steps = [
        Step(name=name, inputs=lambda done: {}, do=do, receipt=tmp_path / f"{name}.json")
        for name, do in (("dough", long), ("bread", broken))
    ]
    with pytest.raises(RuntimeError, match="no oven"):
        perform(steps, 2, Awaited())
    assert told == ["dough: bread failed; this one ends first, and nothing new begins"]
    # What it made counts.
    assert (tmp_path / "dough.json").is_file()


def test_a_receipt_says_what_went_in_and_what_came_out(kitchen: Kitchen) -> None:
    kitchen.run()

    receipt = json.loads((kitchen.folder / "bread.json").read_text())
    assert receipt["record"] == {"loaves": 1}
    assert receipt["outputs"][0]["path"] == str(kitchen.folder / "bread")
    assert receipt["inputs"] == {"dough": digest_of(kitchen.folder / "dough")}


def digest_of(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_step_whose_inputs_cannot_be_had_has_failed_and_is_told_so(tmp_path: Path) -> None:
    told: list[str] = []

    class Failures(Quiet):
        def failed(self, name: str, error: BaseException) -> None:
            told.append(f"{name}: {error}")

    def gone(done: Done) -> dict[str, str]:
        raise OSError("no such file")

    step = Step(name="bread", inputs=gone, do=lambda done: Made(), receipt=tmp_path / "bread.json")
    with pytest.raises(OSError, match="no such file"):
        perform([step], 1, Failures())
    assert told == ["bread: no such file"]


def test_a_step_that_needs_one_which_nobody_does_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    step = Step(
        name="bread", needs=("dough",), inputs=lambda done: {}, do=lambda done: Made(), receipt=tmp_path / "bread.json"
    )
    with pytest.raises(ValueError, match="which is not among them: \\['bread'\\]"):
        perform([step], 1, Quiet())
