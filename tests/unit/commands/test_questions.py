"""What ends the command with an answer: its version, and completions that real shells understand."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from factories import ROOT

from astronomer_certified.commands import main, questions

VERBS = ("release", "build", "constraints", "patch", "index", "serve")

# What a shell does when somebody presses TAB after these words, and what it would offer.
_TAB = """
source "$1"; shift
COMP_WORDS=(certified "$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE="certified $*"; COMP_POINT=${#COMP_LINE}
_shtab_certified certified "${COMP_WORDS[COMP_CWORD]}" ""
echo "${COMPREPLY[@]}"
"""


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command prints before it ends well."""
    with pytest.raises(SystemExit) as ended:
        main.main(words)
    assert ended.value.code in (0, None)
    return capsys.readouterr().out


def test_the_version_is_that_of_the_factory(capsys: pytest.CaptureFixture[str]) -> None:
    stated = configparser.ConfigParser()
    stated.read(ROOT / "setup.cfg", encoding="utf-8")

    assert answer(capsys, "--version") == f"certified {stated['metadata']['version']}\n"


@pytest.mark.parametrize("shell", questions.SHELLS)
def test_a_completion_names_the_verbs(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    script = answer(capsys, "--print-completion", shell)

    assert [verb for verb in VERBS if verb not in script] == []


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_completion_is_a_sound_script(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    script = tmp_path / "completion"
    script.write_text(answer(capsys, "--print-completion", shell))

    done = subprocess.run([shell, "-n", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["rel"], {"release", "releases"}),
        (["patch", ""], {"checkout", "export", "lint", "list", "port"}),
        (["build", "2.1"], {"2.1.0"}),
        (["build", "2.1.0", "--j"], {"--jobs", "--json"}),
        (["--print-completion", ""], set(questions.SHELLS)),
        (["constraints", "2.1.0", "--output", "do"], {"docs"}),
    ],
)
def test_bash_offers_what_can_stand_there(
    words: list[str], offered: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "completion"
    script.write_text(answer(capsys, "--print-completion", "bash"))

    done = subprocess.run(
        ["bash", "-c", _TAB, "-", script, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert set(done.stdout.split()) == offered


ASKED = [["--version"], ["--print-completion", "bash"]]
COMMAND = [sys.executable, "-m", "astronomer_certified.commands.main"]


@pytest.mark.parametrize("words", ASKED)
@pytest.mark.parametrize("stdout", ["/dev/full", "&-"])
def test_an_answer_that_stdout_does_not_take_is_refused(words: list[str], stdout: str) -> None:
    line = ["sh", "-c", f'"$@" >{stdout}', "-", *COMMAND, *words]
    done = subprocess.run(line, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("certified: standard output: ")


@pytest.mark.parametrize("words", ASKED)
def test_an_answer_that_nobody_reads_ends_quietly(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*COMMAND, *words], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)

    assert (done.returncode, done.stderr) == (141, "")


def test_a_shell_that_is_not_known_is_a_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main.main(["--print-completion", "dash"])

    assert refused.value.code == 2
    assert "invalid choice: 'dash'" in capsys.readouterr().err


def test_who_asks_nothing_waits_for_none_of_it() -> None:
    code = (
        "import sys; from astronomer_certified.commands import main; main.parser();"
        " print(*sorted({'shtab', 'importlib.metadata'} & sys.modules.keys()))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
