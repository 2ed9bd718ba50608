"""What the page for platform users says can be typed after the installation, with an Airflow that does nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from payload_fixtures import Installed

from documented import Terminal


@pytest.fixture
def terminal(installed: Installed, tmp_path: Path) -> Terminal:
    """A terminal of somebody whose environment file is in the home folder."""
    here = installed.terminal(
        tmp_path, ASTRONOMER_CERTIFIED_FILE=str(tmp_path / "file"), AIRFLOW_HOME=str(tmp_path / "airflow")
    )
    return replace(here, instead={"/etc/systemd/system": str(tmp_path / "units")})


def test_an_installation_is_set_up_with_the_documented_commands(terminal: Terminal, tmp_path: Path) -> None:
    terminal.types(
        "astronomer-certified init --database postgresql://airflow:secret@db/airflow --broker redis://redis:6379/0"
    )
    shown = terminal.types("astronomer-certified env").stdout
    assert "AIRFLOW__CORE__EXECUTOR=CeleryExecutor" in shown
    assert "secret" not in shown

    terminal.types("astronomer-certified units /etc/systemd/system")
    assert len(list((tmp_path / "units").iterdir())) == 5
    doctor = terminal.types("astronomer-certified doctor", statuses=(0, 1)).stdout
    assert "failed   folders" in doctor
    assert "1 fixed" in terminal.types("astronomer-certified info").stdout
    assert "no patch yet" in terminal.types("astronomer-certified info --status affected").stdout
    assert terminal.types("astronomer-certified run webserver", "--port 8081").stdout.startswith(
        "airflow webserver --port 8081\n"
    )
