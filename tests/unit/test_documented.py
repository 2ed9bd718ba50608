"""No command is documented that no test runs: the cheap half of certification/test_documented_commands.py."""

from __future__ import annotations

import re

from documented import ELSEWHERE, INSTALL, RELEASE, ROOT, SERVE, SIMPLE, UPLOAD, documented


def test_every_documented_command_is_run_by_a_test() -> None:
    known = RELEASE | SERVE | INSTALL | UPLOAD | SIMPLE | ELSEWHERE

    assert documented() - known == set()
    assert known - documented() == set()


def test_every_target_of_the_makefile_is_documented_by_its_help() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    helped = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))

    assert targets == helped
