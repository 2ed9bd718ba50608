"""Proofs: what counts as failing on upstream, and what speaks against a proof. The reports are real pytest's."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

from astronomer_certified.certify.proofs import Outcome, cases, judge

NAME = "test_hole.py"

PASSES = "def test_guard():\n    assert True\n"
FAILS = "def test_hole():\n    assert 'open' == 'shut'\n"
RAISES = "import pytest\n\ndef test_hole():\n    with pytest.raises(ValueError):\n        pass\n"
ELSEWHERE = "def test_hole():\n    {}['hole']\n"
FIXTURE = "import pytest\n\n@pytest.fixture\ndef broken():\n    assert False\n\ndef test_hole(broken):\n    pass\n"
IMPORT = "import not_there\n\ndef test_hole():\n    assert False\n"
SKIPS = "import pytest\n\ndef test_hole():\n    pytest.skip('not here')\n"
DEEP = "import os.path\n\ndef test_hole():\n    os.path.join(None)\n"
EMPTY = ""


@cache
def outcome(text: str) -> Outcome:
    """What real pytest says of a proof with that text, without the plugins of the environment that tests run in."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / NAME).write_text(text)
        report = Path(folder) / "report.xml"
        words = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", folder, "-p", "no:cacheprovider"]
        env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(
            [*words, "--junitxml", report, "-q", NAME], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        return Outcome(cases=cases(report), seconds=0.1, output=done.stdout)


@pytest.mark.parametrize("upstream", [FAILS, RAISES, FAILS + PASSES], ids=["assert", "raises", "with a guard"])
def test_a_proof_that_fails_in_its_assertion_and_passes_when_patched_holds(upstream: str) -> None:
    assert judge(NAME, outcome(upstream), outcome(PASSES)) == []


@pytest.mark.parametrize(
    ("upstream", "patched", "words"),
    [
        pytest.param(PASSES, PASSES, "passes on upstream, so it proves nothing", id="passes on upstream"),
        pytest.param(SKIPS, PASSES, "passes on upstream, so it proves nothing", id="skips on upstream"),
        pytest.param(FAILS, FAILS, "on the patched wheel test_hole fails: AssertionError", id="fails when patched"),
        pytest.param(FAILS, SKIPS, "every test is skipped on the patched wheel", id="skips when patched"),
        pytest.param(ELSEWHERE, PASSES, "fails with KeyError", id="fails with another error"),
        pytest.param(DEEP, PASSES, "not in an assertion of the proof", id="fails in another file"),
        pytest.param(FIXTURE, PASSES, "an error outside of the test", id="broken fixture"),
        pytest.param(IMPORT, PASSES, "not in an assertion of the proof", id="broken import"),
        pytest.param(EMPTY, PASSES, "no test ran", id="no test"),
        pytest.param(FAILS, EMPTY, "no test ran", id="no test when patched"),
    ],
)
def test_what_proves_nothing_is_said(upstream: str, patched: str, words: str) -> None:
    problems = judge(NAME, outcome(upstream), outcome(patched))

    assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize("broken", [ELSEWHERE, FIXTURE, IMPORT], ids=["another error", "fixture", "import"])
def test_a_proof_that_is_broken_on_upstream_is_not_said_to_pass_there_as_well(broken: str) -> None:
    problems = judge(NAME, outcome(broken), outcome(PASSES))
    assert len(problems) == 1, problems
    assert "not in an assertion of the proof" in problems[0]


def test_a_report_with_signs_that_xml_has_not_is_read(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    failure = '<failure message="\x1b[31mopen\x1b[0m">E  open\n\x1b[1mtest_hole.py\x1b[0m:2: AssertionError</failure>'
    report.write_text(f'<testsuite><testcase name="test_hole">{failure}</testcase></testsuite>')
    [case] = cases(report)
    assert (case.name, case.passed, case.fails_in("test_hole.py")) == ("test_hole", False, True)
