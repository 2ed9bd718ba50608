"""The program that runs proofs stands beside modules of ours, which proofs and Airflow import before all others."""

from __future__ import annotations

import sys
from pathlib import Path

from astronomer_certified.certify import proof_server
from documented import ROOT


def test_no_module_beside_it_has_the_name_of_something_that_a_release_pins_or_of_a_module_of_python() -> None:
    beside = {path.stem for path in Path(proof_server.__file__).parent.glob("*.py")} - {"__init__"}
    pinned = {
        line.partition("==")[0].replace("-", "_").lower()
        for file in (ROOT / "constraints").glob("*/*.txt")
        for line in file.read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith(("#", " "))
    }

    assert "kubernetes" in pinned
    assert beside & (pinned | sys.stdlib_module_names) == set()
