"""Proofs that share a process: what one does is never seen by the next, and each alone says the same."""

from __future__ import annotations

import ast
import itertools
import json
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from astronomer_certified.certify import proof_runs, proof_server
from astronomer_certified.certify.proof_runs import Bench, Kind
from astronomer_certified.certify.proofs import Outcome, judge
from astronomer_certified.effects import families
from astronomer_certified.effects.processes import clean_environment, conversation
from astronomer_certified.errors import CommandFailed

CONFTEST = """
import os
import pathlib

HOME = pathlib.Path(os.environ['PROOF_HOME'])


def prepare(kind):
    import json  # stands for what is slow to import
    json.made_for = kind
    HOME.mkdir(parents=True)
    (HOME / 'database').write_text(kind)
"""

# Each leaves in its process, its home, its environment and the system what would change what the others say.
PROOF = """
import json, os, pathlib, subprocess, sys, tempfile

HOME = pathlib.Path(os.environ['PROOF_HOME'])


def test_nobody_was_here_before():
    assert not hasattr(json, 'touched') and 'TOUCHED' not in os.environ
    assert (HOME / 'database').read_text() == json.made_for
    assert not list(pathlib.Path(tempfile.gettempdir()).iterdir())
    assert os.getcwd() == os.path.dirname(os.path.abspath(__file__))


def test_leaves_traces():
    json.touched = os.environ['TOUCHED'] = 'yes'
    (HOME / 'database').write_text('changed')
    pathlib.Path(tempfile.gettempdir(), 'left').touch()
    os.chdir('/')
    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])


def test_says_which_it_is():
    assert {number} % 2, 'even'
"""
# A program in a session of its own holds more and more, or sleeps.
EATS = """
import os, pathlib, subprocess, sys, time

PROGRAM = 'import time; held = []\\nwhile True: held.append(b"x" * {step}); time.sleep(0.02)'


def test_eats():
    process = subprocess.Popen([sys.executable, '-c', PROGRAM], start_new_session=True)
    pathlib.Path({eater!r}).write_text('%d %d' % (process.pid, os.getpid()))
    time.sleep(600)
"""
ALONE = "import pytest\npytestmark = pytest.mark.fresh_process\n"
HANGS = "import time\n\ndef test_hangs():\n    time.sleep(600)\n"
DIES = "import os\n\ndef test_dies():\n    os._exit(7)\n"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of proofs is here that of the tests; the plugins in it, which are slow to import, stay out."""
    plain = partial(clean_environment, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    monkeypatch.setattr(proof_runs, "clean_environment", plain)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    proofs = tmp_path / "proofs"
    proofs.mkdir()
    (proofs / "conftest.py").write_text(CONFTEST)
    for number in range(5):
        (proofs / f"test_{number}.py").write_text(PROOF.replace("{number}", str(number)))
    return proofs


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def ran(folder: Path, *names: str) -> dict[str, Outcome]:
    environment = Path(sys.prefix)
    bench = Bench(
        folder=folder,
        environments={(name, "patched"): environment for name in names},
        scratch=folder.parent / "scratch",
        logs=folder.parent / "logs",
        jobs=1,
        progress=lambda name, seconds: None,
    )
    return {name: outcome for (name, _), outcome in proof_runs.outcomes(bench).items()}


def verdicts(outcomes: dict[str, Outcome]) -> dict[str, list[tuple[str, bool, str]]]:
    return {name: [(case.name, case.passed, case.error) for case in out.cases] for name, out in outcomes.items()}


def test_what_a_proof_does_is_not_seen_by_the_next_in_whatever_order(folder: Path) -> None:
    names = [f"test_{number}.py" for number in range(5)]
    alone = verdicts({name: ran(folder, name)[name] for name in names})
    shuffled = random.Random(1).sample(list(itertools.permutations(names)), 3)

    for order in shuffled:
        assert verdicts(ran(folder, *order)) == alone
    for number, name in enumerate(names):
        assert [passed for _, passed, _ in alone[name]] == [True, True, bool(number % 2)]
    assert not list((folder.parent / "scratch").iterdir())


def test_a_proof_that_hangs_or_dies_takes_no_other_with_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "test_hangs.py").write_text(HANGS)
    (folder / "test_dies.py").write_text(DIES)
    monkeypatch.setattr(proof_runs, "_TIMEOUT", 2.0)
    begun = time.monotonic()

    outcomes = ran(folder, "test_hangs.py", "test_dies.py", "test_1.py")

    assert time.monotonic() - begun < 30
    assert outcomes["test_hangs.py"].cases == outcomes["test_dies.py"].cases == ()
    assert outcomes["test_hangs.py"].ended == "did not end within 2 s, and was ended"
    assert outcomes["test_dies.py"].ended == "ended with status 7"
    assert outcomes["test_1.py"].ended == ""
    assert all(case.passed for case in outcomes["test_1.py"].cases)


def test_a_proof_that_hangs_alone_takes_no_other_with_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "test_hangs.py").write_text(f"import pytest\npytestmark = pytest.mark.fresh_process\n{HANGS}")
    monkeypatch.setattr(proof_runs, "_TIMEOUT", 2.0)

    outcomes = ran(folder, "test_hangs.py", "test_1.py")

    assert outcomes["test_hangs.py"].cases == ()
    assert outcomes["test_hangs.py"].ended == "did not end within 2 s, and was ended"
    assert all(case.passed for case in outcomes["test_1.py"].cases)


@pytest.mark.parametrize("head", ["", ALONE], ids=["a fork", "alone"])
def test_a_proof_that_eats_memory_is_ended_with_all_that_it_started_and_told_as_that(
    folder: Path, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    eater = folder.parent / "eater"
    (folder / "test_eats.py").write_text(head + EATS.format(step=8 << 20, eater=str(eater)))
    monkeypatch.setattr(proof_runs, "_TIMEOUT", 60.0)
    monkeypatch.setattr(proof_runs, "_MEMORY", 256 << 20)

    outcomes = ran(folder, "test_eats.py", "test_1.py")

    assert outcomes["test_eats.py"].cases == ()
    assert outcomes["test_eats.py"].ended == "took more than 0.25 GiB of memory, and was ended"
    assert outcomes["test_eats.py"].seconds < 30
    until(lambda: not any(families.of(int(pid)) for pid in eater.read_text().split()))
    assert all(case.passed for case in outcomes["test_1.py"].cases)
    [problem, *_] = judge("test_eats.py", outcomes["test_eats.py"], outcomes["test_1.py"])
    assert problem.startswith("test_eats.py: on upstream it took more than 0.25 GiB of memory, and was ended; ")


@pytest.mark.parametrize("head", ["", ALONE], ids=["a fork", "alone"])
def test_who_is_told_to_end_ends_the_proof_that_runs(folder: Path, head: str) -> None:
    eater, home = folder.parent / "eater", folder.parent / "home"
    home.mkdir()
    (folder / "test_eats.py").write_text(head + EATS.format(step=0, eater=str(eater)))
    env = clean_environment(PROOF_HOME=str(home / "airflow"), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    asked = {"words": ["-q", "test_eats.py"], "output": str(folder / "out"), "timeout": 60.0, "memory": 1 << 32}
    words = [sys.executable, proof_server.__file__, Kind.of(head), str(home)]
    with ThreadPoolExecutor(1) as pool:
        with conversation(words, cwd=folder, env=env, log=folder / "log") as server:
            server.heard()
            answer = pool.submit(server.ask, json.dumps(asked))
            until(lambda: eater.exists() and eater.read_text() != "")
            assert all(families.of(int(pid)) for pid in eater.read_text().split())
        assert isinstance(answer.exception(), CommandFailed | ValueError)
    until(lambda: not any(families.of(int(pid)) for pid in eater.read_text().split()))


def test_what_cannot_be_prepared_is_told_with_its_last_words(folder: Path) -> None:
    (folder / "conftest.py").write_text(CONFTEST + "    raise ValueError('no such database')\n")
    with pytest.raises(CommandFailed, match="ended with status 1") as caught:
        ran(folder, "test_1.py")
    assert "no such database" in str(caught.value)


def test_a_proof_that_must_be_alone_has_a_process_that_nobody_prepared(folder: Path) -> None:
    marker = "def pytest_configure(config):\n    config.addinivalue_line('markers', 'fresh_process: alone')\n"
    (folder / "conftest.py").write_text(CONFTEST + "    raise ValueError('nobody calls this')\n\n" + marker)
    (folder / "test_fresh.py").write_text(
        "import json\nimport pytest\npytestmark = pytest.mark.fresh_process\n\n"
        "def test_alone():\n    assert not hasattr(json, 'made_for')\n"
    )
    assert [case.passed for case in ran(folder, "test_fresh.py")["test_fresh.py"].cases] == [True]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("import pytest\nimport ui\n", Kind.UI),
        ("from ui import Page\n", Kind.UI),
        ("import uids\n", Kind.PLAIN),
        ("# import ui\n", Kind.PLAIN),
        ("import ui\n\npytestmark = pytest.mark.fresh_process\n", Kind.FRESH),
        ("import ui\n\npytestmark = [pytest.mark.fresh_process]\n", Kind.FRESH),
    ],
)
def test_a_proof_says_what_it_shares(text: str, kind: Kind) -> None:
    assert Kind.of(text) is kind


def test_the_process_of_the_proofs_is_written_for_the_oldest_python_that_they_run_on() -> None:
    text = Path(proof_server.__file__).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 6))
    assert "from __future__ import annotations" not in text  # 3.7
