"""A trial on its way to another machine and back, and the program that carries it out there."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories import ROOT
from packaging.version import Version

from astronomer_certified.artifacts import CommandLine, Python, Release, Target
from astronomer_certified.certify import elsewhere, levels, trial
from astronomer_certified.certify.checks import CheckResult
from astronomer_certified.certify.level import Level
from astronomer_certified.certify.levels import EXTRAS, Contrast, Seen
from astronomer_certified.certify.trial import Trial, Tried
from astronomer_certified.effects.cluster import Answer, Cluster, Parcel
from astronomer_certified.errors import EnvironmentMissing, InstallError, ManifestError

WANTED = Trial(
    level=Level.SERVICES,
    release=Release(Version("2.1.0"), 4),
    command_line=CommandLine.GROUPED,
    target=Target(python=Python(3, 8), extras=EXTRAS),
    wheels={"apache-airflow==2.1.0+astro.4": "0" * 64},
    before=Release(Version("2.0.2"), 11),
    simple_url="http://127.0.0.1:1/simple/",
    services={"Redis": ("redis-server", "redis-cli")},
)
NAMES = [check.name for check in levels.checks_of(WANTED.level, WANTED.command_line, "2.0.2")]
TRIED = Tried(
    seen=Seen(
        checks=tuple(CheckResult(name=name, seconds=2.0, seen="good") for name in NAMES if name != "a run on MariaDB"),
        contrasts=(Contrast(check="flower", part="1", upstream="a", certified="b"),),
        lacking={"a run on MariaDB": ("MariaDB",)},
    ),
    python="3.8.18",
    install_seconds=3.5,
)
REQUIREMENTS = ROOT / "requirements" / "dev.txt"


class Machine(Cluster):
    """One that gives a certain answer, and keeps what it was asked."""

    def __init__(self, said: str, status: int = 0) -> None:
        self.answer = Answer(machine="host-7", status=status, said=said, complained=("Traceback", "ValueError: no"))
        self.asked: list[Parcel] = []

    def ask(self, parcel: Parcel) -> Answer:
        self.asked.append(parcel)
        return self.answer


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "apache_airflow-2.1.0-py3-none-any.whl"
    path.write_bytes(b"wheel")
    return path


def test_what_is_sent_and_what_comes_back_stay_what_they_are() -> None:
    sent = json.loads(json.dumps(trial.to_json(WANTED)))
    assert trial.from_json(sent) == WANTED
    assert trial.tried_from_json(json.loads(json.dumps(trial.tried_to_json(TRIED)))) == TRIED


def test_a_parcel_holds_the_tool_the_wheel_and_the_pins_of_what_the_tool_imports(wheel: Path) -> None:
    machine = Machine(json.dumps({"tried": trial.tried_to_json(TRIED)}))

    assert elsewhere.carry_out(machine, WANTED, wheel, REQUIREMENTS) == TRIED
    [parcel] = machine.asked
    assert parcel.files["tool/astronomer_certified/certify/files/dags.py"].startswith(b'"""')
    assert parcel.files["tool/apache_airflow-2.1.0-py3-none-any.whl"] == b"wheel"
    assert not any("__pycache__" in name for name in parcel.files)
    pinned = {line.partition("==")[0] for line in parcel.requirements.splitlines() if "==" in line}
    assert {"packaging", "pypi-simple", "requests", "urllib3", "uv"} <= pinned
    assert pinned.isdisjoint({"mypy", "pytest", "distributed"})
    assert parcel.requirements.count("--hash=sha256:") >= len(pinned)


def test_what_fails_there_fails_here_with_the_name_of_the_machine(wheel: Path) -> None:
    told = {"what": "flower failed", "details": ["it ended"], "hint": "look"}
    for kind in (InstallError, EnvironmentMissing):
        machine = Machine(json.dumps({"error": told, "kind": kind.__name__}))
        with pytest.raises(kind, match=r"flower failed \(on host-7\)") as caught:
            elsewhere.carry_out(machine, WANTED, wheel, REQUIREMENTS)
        assert list(caught.value.details) == ["it ended"]
        assert caught.value.hint == "look"


WHOLE = json.dumps({"tried": trial.tried_to_json(TRIED)})


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("", 0),
        ("no JSON", 0),
        ("{}", 0),
        ('{"tried": {}}', 0),
        ('{"error": "it", "kind": "InstallError"}', 0),
        ("[]", 0),
        ("[" * 200_000, 0),
        (WHOLE.replace('"seconds": 2.0', '"seconds": "soon"'), 0),
        # What ended otherwise than the program does has not said all.
        (WHOLE, 9),
        (WHOLE, -9),
    ],
)
def test_a_machine_that_gives_no_answer_is_named_with_its_last_words(said: str, status: int, wheel: Path) -> None:
    with pytest.raises(InstallError, match="no answer came from host-7") as caught:
        elsewhere.carry_out(Machine(said, status=status), WANTED, wheel, REQUIREMENTS)
    assert "ValueError: no" in str(caught.value)
    assert f"status {status}" in str(caught.value)


def seen(**changes: Any) -> Tried:
    return replace(TRIED, seen=replace(TRIED.seen, **changes))


@pytest.mark.parametrize(
    ("tried", "told"),
    [
        pytest.param(seen(checks=()), "flower: nothing is told of it", id="no check"),
        pytest.param(seen(checks=TRIED.seen.checks[1:]), f"{NAMES[0]}: nothing is told of it", id="one is missing"),
        pytest.param(seen(lacking={}), "a run on MariaDB: nothing is told of it", id="one is not even lacking"),
        pytest.param(seen(checks=TRIED.seen.checks * 2), "flower: told of 2 times", id="twice"),
        pytest.param(
            seen(lacking={**TRIED.seen.lacking, "flower": ("Redis",)}), "flower: told of 2 times", id="done and not"
        ),
        pytest.param(
            seen(checks=(*TRIED.seen.checks, CheckResult(name="tea", seconds=1, seen="hot"))),
            "tea: nobody asked for it", id="unknown",
        ),
        pytest.param(
            seen(lacking={"a run on MariaDB": ("LDAP",)}), "for want of LDAP, which it does not need", id="another need"
        ),
        pytest.param(seen(lacking={"a run on MariaDB": ()}), "for want of nothing", id="no need"),
        pytest.param(replace(TRIED, python="3.7.16"), "Python 3.7.16: asked for was 3.8", id="another Python"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_to_what_was_asked_is_refused(tried: Tried, told: str, wheel: Path) -> None:
    machine = Machine(json.dumps({"tried": trial.tried_to_json(tried)}))
    with pytest.raises(InstallError, match="host-7 answers another question") as caught:
        elsewhere.carry_out(machine, WANTED, wheel, REQUIREMENTS)
    assert told in str(caught.value)


def test_pins_that_are_not_there_are_told_before_anything_is_sent(wheel: Path, tmp_path: Path) -> None:
    machine = Machine("")
    with pytest.raises(ManifestError, match="is not there"):
        elsewhere.carry_out(machine, WANTED, wheel, tmp_path / "none.txt")
    (tmp_path / "few.txt").write_text("requests==2.32.0 \\\n    --hash=sha256:00\n")
    with pytest.raises(ManifestError, match="has no pin of packaging, pypi-simple, uv"):
        elsewhere.carry_out(machine, WANTED, wheel, tmp_path / "few.txt")
    assert machine.asked == []


def test_the_program_answers_that_the_machine_has_no_such_python(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = replace(WANTED, target=Target(python=Python(3, 99), extras=EXTRAS))
    question = {"trial": trial.to_json(nowhere), "upstream_wheel": "apache_airflow-2.1.0-py3-none-any.whl"}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(question)))

    elsewhere.main()
    answer = json.loads(capsys.readouterr().out)
    assert answer["kind"] == "EnvironmentMissing"
    assert "3.99" in answer["error"]["what"]
